#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

/// Memory lent to a connection for the length of one call: what came from the network, and room for what goes there. OpenSSL reads and writes
/// nothing else; between two calls both are empty.
typedef struct presence_tls_lent {
    const uint8_t *input;
    size_t input_count;
    uint8_t *output;
    size_t output_count;
    size_t output_capacity;
} presence_tls_lent;

/// How a call on a connection ended.
typedef enum presence_tls_outcome {
    /// It did what was asked.
    PRESENCE_TLS_DONE,
    /// All input was consumed, and more is needed.
    PRESENCE_TLS_NEEDS_INPUT,
    /// The output is full: to be emptied, and the call made again with the same arguments.
    PRESENCE_TLS_NEEDS_OUTPUT,
    /// The peer said that it sends no more.
    PRESENCE_TLS_CLOSED,
    /// The connection cannot go on; presence_tls_reason says why. The output may hold an alert for the peer.
    PRESENCE_TLS_FAILED,
} presence_tls_outcome;

/// A connection that reads and writes lent memory alone; NULL if there is no memory. SSL_free ends it, and what `lent` points to.
SSL *presence_tls_connection(SSL_CTX *context, presence_tls_lent **lent);

/// Goes on with the handshake.
presence_tls_outcome presence_tls_handshake(SSL *connection);

/// Decrypts all records of the input while there is room for what they hold. DONE: the room is used up, call again with more.
presence_tls_outcome presence_tls_read(SSL *connection, void *bytes, size_t capacity, size_t *count);

/// Encrypts; DONE once all `count` bytes are in the output. `written` rises by what was taken so far, to go on after NEEDS_OUTPUT.
presence_tls_outcome presence_tls_write(SSL *connection, const void *bytes, size_t count, size_t *written);

/// Puts the goodbye that ends this side's data into the output.
presence_tls_outcome presence_tls_goodbye(SSL *connection);

/// Writes why the last call failed, as text that ends with a zero; forgets it. The earliest entry of OpenSSL's queue is the cause, the others
/// are who called whom.
void presence_tls_reason(char *text, size_t capacity);

/// Why the peer's certificate is not trusted; NULL if nothing is wrong with it.
const char *presence_tls_verify_reason(const SSL *connection);

/// Writes the names in a certificate, a line each, as text that ends with a zero: `D` and a name of the alternative names, `A` and an address of
/// them in its usual form, `C` and the common name. Names with other characters than host names have are left out, wildcards among them, and so is
/// what does not fit: a name that cannot be compared speaks for nobody.
void presence_tls_names(const X509 *certificate, char *text, size_t capacity);

/// The same of the certificate that the other end of a connection has shown, if it did.
void presence_tls_peer_names(const SSL *connection, char *text, size_t capacity);

/// Notes the names of a certificate that is refused, for presence_tls_refused_names.
int presence_tls_note_refused(int is_good, X509_STORE_CTX *verification);

/// The same of the certificate that this thread's last call of presence_tls_handshake refused; empty if it refused none.
void presence_tls_refused_names(char *text, size_t capacity);

/// Writes an address of version 4 or 6 in its usual form; 0 if the text is none.
int presence_tls_address(const char *text, char *usual, size_t capacity);

/// Verifies the context's own certificate as its peers do who trust the same authorities: as a server's and as a client's. NULL if it is good, else
/// what is wrong with it.
const char *presence_tls_own_certificate_problem(SSL_CTX *context);

/// Whether a directory can be read; if not, presence_tls_reason says why.
int presence_tls_open_directory(const char *path);

/// Reads revocation lists, PEM, and has every certificate of a chain looked up in them, beside those that authorities' directories have. There must be one, good
/// today, of each authority that the context has read: else its certificates would all be refused. 1, or 0 and what is wrong as text that ends with a zero.
int presence_tls_load_revocations(SSL_CTX *context, const char *path, char *problem, size_t capacity);

/// Whether the lists of a context say that the peer's certificate was taken back, or one of those above it. What else is wrong with it is no answer: 0.
int presence_tls_is_peer_revoked(const SSL *connection, SSL_CTX *context);

/// The password of a key, which may be empty, and whether OpenSSL asked for it: then the key is locked.
typedef struct {
    const char *text;
    int is_asked;
} presence_tls_password;

/// Makes OpenSSL ask nobody for the password of a key: it is `password`, or there is none. `password` must outlive the loading of keys.
void presence_tls_set_password(SSL_CTX *context, presence_tls_password *password);

/// A session that stands for a pre-shared key of TLS 1.3 with TLS_AES_128_GCM_SHA256; NULL if there is no memory or no such suite.
SSL_SESSION *presence_tls_shared_key_session(SSL *connection, const uint8_t *key, size_t count);

/// Writes the 32 bytes of HMAC-SHA-256 of a text under a key; 1, or 0 if there is no memory.
int presence_tls_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *text, size_t text_count, uint8_t *output);

// Macros that Swift does not see.

static inline int presence_tls_set_versions(SSL_CTX *context, int lowest, int highest) {
    return SSL_CTX_set_min_proto_version(context, lowest) == 1 && SSL_CTX_set_max_proto_version(context, highest) == 1;
}

/// What holds for every connection here: no renegotiation, compression, tickets or cached sessions; writes may stop in the middle; no buffers
/// are kept between records.
static inline void presence_tls_set_habits(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_read_ahead(context, 0);
}

static inline void presence_tls_prefer_server_ciphers(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static inline int presence_tls_set_server_name(SSL *connection, const char *name) {
    return SSL_set_tlsext_host_name(connection, name) == 1;
}

#endif
