#include <openssl/opensslconf.h>

#ifndef OPENSSL_THREADS
#error "this OpenSSL was built without threads"
#endif
