#include "COpenSSL.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// MARK: lent memory as OpenSSL's input and output

static int lent_create(BIO *bio) {
    presence_tls_lent *lent = OPENSSL_zalloc(sizeof(*lent));
    if (lent == NULL) return 0;
    BIO_set_data(bio, lent);
    BIO_set_init(bio, 1);
    return 1;
}

static int lent_destroy(BIO *bio) {
    OPENSSL_free(BIO_get_data(bio));
    BIO_set_data(bio, NULL);
    return 1;
}

static int lent_read(BIO *bio, char *bytes, size_t count, size_t *done) {
    presence_tls_lent *lent = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (lent->input_count == 0) {
        *done = 0;
        BIO_set_retry_read(bio);
        return 0;
    }
    if (count > lent->input_count) count = lent->input_count;
    memcpy(bytes, lent->input, count);
    lent->input += count;
    lent->input_count -= count;
    *done = count;
    return 1;
}

static int lent_write(BIO *bio, const char *bytes, size_t count, size_t *done) {
    presence_tls_lent *lent = BIO_get_data(bio);
    size_t room = lent->output_capacity - lent->output_count;
    BIO_clear_retry_flags(bio);
    if (room == 0) {
        *done = 0;
        BIO_set_retry_write(bio);
        return 0;
    }
    if (count > room) count = room;
    memcpy(lent->output + lent->output_count, bytes, count);
    lent->output_count += count;
    *done = count;
    return 1;
}

static long lent_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *lent_method;
static CRYPTO_ONCE lent_once = CRYPTO_ONCE_STATIC_INIT;

static void make_lent_method(void) {
    lent_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent memory");
    if (lent_method == NULL) return;
    BIO_meth_set_create(lent_method, lent_create);
    BIO_meth_set_destroy(lent_method, lent_destroy);
    BIO_meth_set_read_ex(lent_method, lent_read);
    BIO_meth_set_write_ex(lent_method, lent_write);
    BIO_meth_set_ctrl(lent_method, lent_control);
}

// MARK: connections

SSL *presence_tls_connection(SSL_CTX *context, presence_tls_lent **lent) {
    if (!CRYPTO_THREAD_run_once(&lent_once, make_lent_method) || lent_method == NULL) return NULL;
    SSL *connection = SSL_new(context);
    if (connection == NULL) return NULL;
    BIO *bio = BIO_new(lent_method);
    if (bio == NULL) {
        SSL_free(connection);
        return NULL;
    }
    SSL_set_bio(connection, bio, bio);
    *lent = BIO_get_data(bio);
    return connection;
}

static presence_tls_outcome outcome(SSL *connection, int result) {
    switch (SSL_get_error(connection, result)) {
    case SSL_ERROR_NONE: return PRESENCE_TLS_DONE;
    case SSL_ERROR_WANT_READ: return PRESENCE_TLS_NEEDS_INPUT;
    case SSL_ERROR_WANT_WRITE: return PRESENCE_TLS_NEEDS_OUTPUT;
    case SSL_ERROR_ZERO_RETURN: return PRESENCE_TLS_CLOSED;
    default: return PRESENCE_TLS_FAILED;
    }
}

// Of the certificate that this thread's last handshake refused.
static _Thread_local char refused_names[1024];

presence_tls_outcome presence_tls_handshake(SSL *connection) {
    ERR_clear_error();
    refused_names[0] = 0;
    return outcome(connection, SSL_do_handshake(connection));
}

presence_tls_outcome presence_tls_read(SSL *connection, void *bytes, size_t capacity, size_t *count) {
    *count = 0;
    ERR_clear_error();
    while (*count < capacity) {
        size_t read = 0;
        int result = SSL_read_ex(connection, (char *)bytes + *count, capacity - *count, &read);
        if (result != 1) return outcome(connection, result);
        *count += read;
    }
    return PRESENCE_TLS_DONE;
}

presence_tls_outcome presence_tls_write(SSL *connection, const void *bytes, size_t count, size_t *written) {
    ERR_clear_error();
    while (*written < count) {
        size_t wrote = 0;
        int result = SSL_write_ex(connection, (const char *)bytes + *written, count - *written, &wrote);
        if (result != 1) return outcome(connection, result);
        *written += wrote;
    }
    return PRESENCE_TLS_DONE;
}

presence_tls_outcome presence_tls_goodbye(SSL *connection) {
    ERR_clear_error();
    int result = SSL_shutdown(connection);
    return result >= 0 ? PRESENCE_TLS_DONE : outcome(connection, result);
}

// MARK: reasons

void presence_tls_reason(char *text, size_t capacity) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) {
        snprintf(text, capacity, "no reason given");
    } else if (ERR_SYSTEM_ERROR(code)) {
        snprintf(text, capacity, "%s", strerror(ERR_GET_REASON(code)));
    } else {
        const char *reason = ERR_reason_error_string(code);
        if (reason != NULL) {
            snprintf(text, capacity, "%s", reason);
        } else {
            ERR_error_string_n(code, text, capacity);
        }
    }
}

const char *presence_tls_verify_reason(const SSL *connection) {
    long result = SSL_get_verify_result(connection);
    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

// MARK: names

static int is_name_byte(unsigned char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '.'
        || byte == '-' || byte == '_';
}

static void add_name(char kind, const unsigned char *name, int count, char *text, size_t capacity) {
    size_t used = strlen(text);
    if (count <= 0 || used + (size_t)count + 3 > capacity) return;
    for (int index = 0; index < count; index++) {
        if (!is_name_byte(name[index]) && !(kind == 'A' && name[index] == ':')) return;
    }
    snprintf(text + used, capacity - used, "%c%.*s\n", kind, count, (const char *)name);
}

void presence_tls_names(const X509 *certificate, char *text, size_t capacity) {
    text[0] = 0;
    if (certificate == NULL) return;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        if (name->type == GEN_DNS) {
            add_name('D', ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName), text, capacity);
        } else if (name->type == GEN_IPADD) {
            char address[INET6_ADDRSTRLEN];
            int count = ASN1_STRING_length(name->d.iPAddress);
            int family = count == 4 ? AF_INET : count == 16 ? AF_INET6 : AF_UNSPEC;
            if (family == AF_UNSPEC) continue;
            if (inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof(address)) == NULL) continue;
            add_name('A', (const unsigned char *)address, (int)strlen(address), text, capacity);
        }
    }
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    // Of several common names none is the name.
    if (place < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, place) >= 0) return;
    unsigned char *common = NULL;
    int count = ASN1_STRING_to_UTF8(&common, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
    add_name('C', common, count, text, capacity);
    OPENSSL_free(common);
}

void presence_tls_peer_names(const SSL *connection, char *text, size_t capacity) {
    presence_tls_names(SSL_get0_peer_certificate(connection), text, capacity);
}

int presence_tls_note_refused(int is_good, X509_STORE_CTX *verification) {
    if (!is_good) {
        presence_tls_names(X509_STORE_CTX_get0_cert(verification), refused_names, sizeof(refused_names));
    }
    return is_good;
}

void presence_tls_refused_names(char *text, size_t capacity) {
    snprintf(text, capacity, "%s", refused_names);
}

int presence_tls_address(const char *text, char *usual, size_t capacity) {
    unsigned char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) return inet_ntop(AF_INET, bytes, usual, (socklen_t)capacity) != NULL;
    if (inet_pton(AF_INET6, text, bytes) == 1) return inet_ntop(AF_INET6, bytes, usual, (socklen_t)capacity) != NULL;
    return 0;
}

static const char *own_certificate_problem(SSL_CTX *context, const char *purpose) {
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(context, &chain);
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    const char *problem = NULL;
    if (verification == NULL
        || X509_STORE_CTX_init(
               verification, SSL_CTX_get_cert_store(context), SSL_CTX_get0_certificate(context), chain)
            != 1
        || X509_STORE_CTX_set_default(verification, purpose) != 1) {
        problem = "no memory to verify it";
    } else if (X509_verify_cert(verification) != 1) {
        problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification));
    }
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return problem;
}

const char *presence_tls_own_certificate_problem(SSL_CTX *context) {
    const char *problem = own_certificate_problem(context, "ssl_server");
    return problem != NULL ? problem : own_certificate_problem(context, "ssl_client");
}

// MARK: revocation

static void name_authority(const X509 *authority, char *text, size_t capacity) {
    BIO *line = BIO_new(BIO_s_mem());
    text[0] = 0;
    if (line != NULL && X509_NAME_print_ex(line, X509_get_subject_name(authority), 0, XN_FLAG_RFC2253) >= 0) {
        int count = BIO_read(line, text, (int)capacity - 1);
        text[count > 0 ? count : 0] = 0;
    }
    BIO_free(line);
}

static void print_time(const ASN1_TIME *time, char *text, size_t capacity) {
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1 || strftime(text, capacity, "%Y-%m-%d %H:%M UTC", &parts) == 0) text[0] = 0;
}

// Whether one of the lists of an authority is good today; if not, what is wrong.
static int is_listed(X509 *authority, STACK_OF(X509_CRL) *lists, char *problem, size_t capacity) {
    char name[256], time[64];
    name_authority(authority, name, sizeof(name));
    snprintf(problem, capacity, "it has no list of %s, whose certificates would all be refused", name);
    for (int index = 0; index < sk_X509_CRL_num(lists); index++) {
        X509_CRL *list = sk_X509_CRL_value(lists, index);
        if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority)) != 0) continue;
        const ASN1_TIME *begin = X509_CRL_get0_lastUpdate(list), *end = X509_CRL_get0_nextUpdate(list);
        if (X509_CRL_verify(list, X509_get0_pubkey(authority)) != 1) {
            snprintf(problem, capacity, "its list of %s has another signature than that authority's", name);
        } else if (X509_cmp_current_time(begin) >= 0) {
            print_time(begin, time, sizeof(time));
            snprintf(problem, capacity, "its list of %s is not good before %s", name, time);
        } else if (end != NULL && X509_cmp_current_time(end) <= 0) {
            print_time(end, time, sizeof(time));
            snprintf(problem, capacity, "its list of %s ended on %s: have that authority make a new one", name, time);
        } else {
            return 1;
        }
    }
    return 0;
}

static int are_all_listed(X509_STORE *store, STACK_OF(X509_CRL) *lists, char *problem, size_t capacity) {
    STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(store);
    for (int index = 0; index < sk_X509_OBJECT_num(known); index++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, index));
        if (authority != NULL && !is_listed(authority, lists, problem, capacity)) return 0;
    }
    return 1;
}

static STACK_OF(X509_CRL) *read_lists(const char *path, char *problem, size_t capacity) {
    BIO *file = BIO_new_file(path, "r");
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    int is_good = file != NULL && lists != NULL;
    while (is_good) {
        X509_CRL *list = PEM_read_bio_X509_CRL(file, NULL, NULL, NULL);
        if (list == NULL) {
            int is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            is_good = is_end && sk_X509_CRL_num(lists) > 0;
            break;
        }
        if (sk_X509_CRL_push(lists, list) <= 0) {
            X509_CRL_free(list);
            is_good = 0;
        }
    }
    if (!is_good) presence_tls_reason(problem, capacity);
    ERR_clear_error();
    BIO_free(file);
    if (is_good) return lists;
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return NULL;
}

int presence_tls_load_revocations(SSL_CTX *context, const char *path, char *problem, size_t capacity) {
    ERR_clear_error();
    STACK_OF(X509_CRL) *lists = read_lists(path, problem, capacity);
    if (lists == NULL) return 0;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    int is_good = are_all_listed(store, lists, problem, capacity);
    ERR_clear_error();
    for (int index = 0; is_good && index < sk_X509_CRL_num(lists); index++) {
        is_good = X509_STORE_add_crl(store, sk_X509_CRL_value(lists, index)) == 1;
        if (!is_good) presence_tls_reason(problem, capacity);
    }
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    if (is_good) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return is_good;
}

int presence_tls_is_peer_revoked(const SSL *connection, SSL_CTX *context) {
    X509 *certificate = SSL_get0_peer_certificate(connection);
    X509_STORE_CTX *verification = certificate == NULL ? NULL : X509_STORE_CTX_new();
    if (verification == NULL) return 0;
    const char *purpose = SSL_is_server(connection) ? "ssl_client" : "ssl_server";
    int is_revoked = X509_STORE_CTX_init(
                         verification, SSL_CTX_get_cert_store(context), certificate, SSL_get_peer_cert_chain(connection))
            == 1
        && X509_STORE_CTX_set_default(verification, purpose) == 1 && X509_verify_cert(verification) != 1
        && X509_STORE_CTX_get_error(verification) == X509_V_ERR_CERT_REVOKED;
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return is_revoked;
}

// MARK: keys and files

int presence_tls_open_directory(const char *path) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        ERR_clear_error();
        ERR_raise(ERR_LIB_SYS, errno);
        return 0;
    }
    closedir(directory);
    return 1;
}

static int give_password(char *text, int capacity, int is_writing, void *given) {
    (void)is_writing;
    presence_tls_password *password = given;
    if (password == NULL) return 0;
    password->is_asked = 1;
    size_t count = strlen(password->text);
    if (count > (size_t)capacity) return 0;
    memcpy(text, password->text, count);
    return (int)count;
}

void presence_tls_set_password(SSL_CTX *context, presence_tls_password *password) {
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, password);
}

SSL_SESSION *presence_tls_shared_key_session(SSL *connection, const uint8_t *key, size_t count) {
    static const unsigned char suite[] = {0x13, 0x01};
    const SSL_CIPHER *cipher = SSL_CIPHER_find(connection, suite);
    SSL_SESSION *session = SSL_SESSION_new();
    if (session == NULL || cipher == NULL || SSL_SESSION_set1_master_key(session, key, count) != 1
        || SSL_SESSION_set_cipher(session, cipher) != 1
        || SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

int presence_tls_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *text, size_t text_count, uint8_t *output) {
    unsigned int count = 0;
    if (key_count > INT_MAX || HMAC(EVP_sha256(), key, (int)key_count, text, text_count, output, &count) == NULL) return 0;
    return count == 32;
}
