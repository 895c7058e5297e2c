//! InitProducerId: an id for an idempotent producer (KIP-98).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};

use super::{KafkaService, Refusal};

impl KafkaService {
    /// A producer without transactions always gets a new id: nothing ties it to the one it had.
    pub(super) async fn init_producer_id(&self, request: &InitProducerIdRequest) -> Answer {
        let given = match request.transactional_id {
            Some(_) => Err(Refusal::no_transactions()),
            None => self.log.next_producer_id().await.map_err(Refusal::from),
        };
        Answer::ready(match given {
            Ok(producer_id) => {
                InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }
            }
            Err(refusal) => InitProducerIdResponse {
                error_code: refusal.number(),
                producer_epoch: -1,
                ..Default::default()
            },
        })
    }
}
