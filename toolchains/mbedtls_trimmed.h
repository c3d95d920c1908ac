/* SPDX-License-Identifier: MIT
 * Mbed TLS as tocsin builds it for devices: a TLS client, and a server for webhooks, memory from buffers that the program gives.
 * Serves 2.28 (TLS 1.2) and 3.6 (TLS 1.3 as well, unless TOCSIN_NO_TLS13). A distribution's own build works too.
 * (Not named mbedtls_config.h: 3.6 has a file of that name, which an #include from its own folder finds first.)
 */
#ifndef TOCSIN_MBEDTLS_TRIMMED_H
#define TOCSIN_MBEDTLS_TRIMMED_H

/* Time: tickets grow old. The dates of certificates are judged by port/linux/certificate.cpp (why: no_dates.cpp). */
#define MBEDTLS_HAVE_TIME

/* Memory: all of it from one static buffer, by port/linux/pool.hpp. Before there is a buffer there is none: the C
 * library's heap stays out of the program. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_STD_CALLOC NULL
#define MBEDTLS_PLATFORM_STD_FREE NULL
/* The library's own allocator for a buffer takes eight times as much beside each piece; the bench compares with it. All
 * that it would print is that its memory is broken. */
#ifdef __cplusplus
extern "C" {
#endif
void tocsin_tls_memory_broken(const char *text, ...);
/* Called, not copied to each of a hundred places. */
struct mbedtls_mpi;
void mbedtls_mpi_init(struct mbedtls_mpi *X) __attribute__((noinline));
/* Not within what a client runs: toolchains/hot.ld keeps that together. */
struct mbedtls_ssl_context;
int mbedtls_ssl_handshake_server_step(struct mbedtls_ssl_context *ssl) __attribute__((noinline));
#ifdef __cplusplus
}
#endif
#define MBEDTLS_PLATFORM_FPRINTF_MACRO(to, ...) tocsin_tls_memory_broken(__VA_ARGS__)
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_MEMORY_DEBUG

/* Random numbers are the kernel's, each of them: port/linux/tls_context.cpp. (The library's own source opens
 * /dev/urandom as a FILE, at the start and after every 10,000 numbers, and that is on the heap.) So 2.28 needs none
 * where it is given none, which is where everything is public: in verifying. */
#define MBEDTLS_ECP_NO_INTERNAL_RNG

/* Ciphers and hashes that today's servers pick. Tables for AES are small and in read-only memory. */
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#if defined(MBEDTLS_VERSION_MAJOR) /* 3.x: AES backwards is of no use to GCM */
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT
#else /* 2.28: port/linux/tls_left_out.cpp */
#define MBEDTLS_AES_DECRYPT_ALT
#define MBEDTLS_AES_SETKEY_DEC_ALT
#endif
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
/* Its name alone: authorities of the system's bundle signed themselves with it, and could not be read otherwise. What
 * computes it is port/linux/tls_left_out.cpp, which does not. */
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA1_PROCESS_ALT
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#if defined(__x86_64__)
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_AESNI_C
#endif

/* Keys: ECDSA and RSA certificates, ephemeral ECDH only. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE 2 /* 2 KB less at the peak of a handshake, a sixth more work in verifying */
#if defined(MBEDTLS_VERSION_MAJOR)
/* 3.x: no tables of each curve's own point, which 2.28 never had. The program is 7,968 bytes smaller on x86-64; a whole
 * handshake with one intermediate authority takes 93.0 million instructions there with TLS 1.3, not 68.4 (1.2: 101.2, not
 * 77.3). One that is resumed takes what it took, and so does the peak of memory. */
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0
#endif
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C

/* Certificates, with revocation lists for those who keep one. (PEM is read by port/linux/pem.cpp.) */
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CRL_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#define MBEDTLS_X509_REMOVE_INFO /* 3.6: no descriptions for people */
#define MBEDTLS_X509_CHECK_KEY_USAGE
#define MBEDTLS_X509_CHECK_EXTENDED_KEY_USAGE

/* TLS. The peer may send a whole record; what is sent is small. */
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C /* 5 KB of the program, 6 with 3.6: of TLS 1.3 it has the client alone (tls_left_out.cpp) */
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 3712 /* with it the handshake stays within 36 KiB, a chain of 4.5 KB included */

/* 3.x names its version before it reads this file, 2.28 does not. */
#if defined(MBEDTLS_VERSION_MAJOR) && !defined(TOCSIN_NO_TLS13)
#if MBEDTLS_VERSION_MAJOR >= 3
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE /* 1.3 wants it; without it the server's chain needs no room of its own */
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED /* tickets: nothing else resumes in 1.3 */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_HKDF_C
#endif
#endif

#endif
