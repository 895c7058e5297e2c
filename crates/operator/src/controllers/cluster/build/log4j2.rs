//! `log4j2.yaml`: everything to the container's output, where the agent reads along.

/// A line begins with time, level and thread: the agent looks for the level near its beginning. What Kafka's own file sends to
/// files of their own (requests, state changes, the authorizer) is as quiet here as it is there.
pub const TEXT: &str = r#"Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}] %p [%t] %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
    Logger:
      - name: org.apache.kafka.controller
        level: INFO
      - name: org.apache.kafka.storage.internals.log.LogCleaner
        level: INFO
      - name: kafka.request.logger
        level: WARN
      - name: kafka.network.RequestChannel$
        level: WARN
      - name: kafka.authorizer.logger
        level: INFO
      - name: state.change.logger
        level: INFO
"#;
