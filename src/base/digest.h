/* BLAKE2b (RFC 7693), from libsodium: 256 bits for frames and the index, 64 bits for environment
 * keys. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

/* Threads: any. Cannot fail. */
void digest_256(unsigned char digest[DIGEST_SIZE], const void *data, size_t size);

/* First 16 hexadecimal digits' worth (BLAKE2b with 8 bytes of output), as text with NUL. */
void digest_64_text(char text[17], const void *data, size_t size);

/* `text` gets 2 * size digits and NUL. */
void hex_encode(char *text, const unsigned char *data, size_t size);

#endif
