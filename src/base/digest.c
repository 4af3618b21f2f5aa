#include "base/digest.h"

#include <sodium.h>

void digest_256(unsigned char digest[DIGEST_SIZE], const void *data, size_t size)
{
    (void)!sodium_init(); /* once a process: it finds the fastest code for this processor */
    (void)crypto_generichash_blake2b(digest, DIGEST_SIZE, data, size, NULL, 0);
}

void digest_64_text(char text[17], const void *data, size_t size)
{
    unsigned char digest[8];
    (void)crypto_generichash_blake2b(digest, sizeof(digest), data, size, NULL, 0);
    hex_encode(text, digest, sizeof(digest));
}

void hex_encode(char *text, const unsigned char *data, size_t size)
{
    static const char digits[16] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[data[i] >> 4];
        *text++ = digits[data[i] & 15];
    }
    *text = '\0';
}
