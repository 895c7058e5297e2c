//! Refuses an OpenSSL without locks.
//!
//! librdkafka has a thread for each broker, and each calls OpenSSL. OpenSSL's own build leaves its locks out when it is asked for a static
//! library (`-C target-feature=+crt-static` with the feature `vendored` of openssl-sys does), and nothing tells until memory is corrupted.

fn main() {
    #[cfg(feature = "tls")]
    check_openssl();
}

#[cfg(feature = "tls")]
fn check_openssl() {
    let source = "build/openssl_threads.c";
    println!("cargo:rerun-if-changed={source}");
    let mut check = cc::Build::new();
    // Of openssl-sys; none if the compiler finds it by itself.
    if let Some(include) = std::env::var_os("DEP_OPENSSL_INCLUDE") {
        check.include(include);
    }
    if let Err(error) = check.file(source).cargo_metadata(false).try_expand() {
        panic!(
            "OpenSSL cannot be used: {error}\nIf it was built without locks (a static program, and OpenSSL from source), take the \
             system's: OPENSSL_NO_VENDOR=1 OPENSSL_STATIC=1, with Debian's libssl-dev"
        );
    }
}
