#include "archive/fingerprint.h"

#include <string.h>

enum { LANES = 4, WORD = 8 };

/* Odd 64-bit constants without a pattern: the fractional part of the golden ratio, and of pi. */
#define MULTIPLIER UINT64_C(0x9E3779B97F4A7C15)
#define START      UINT64_C(0x243F6A8885A308D3)

static uint64_t load(const unsigned char *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof(word));
    return word;
}

/* For a given state a bijection of `word`: strings that differ in one word never meet here. */
static uint64_t mix(uint64_t state, uint64_t word)
{
    state = (state ^ word) * MULTIPLIER;
    return state ^ state >> 32;
}

/* Independent lanes keep the processor's multiplier busy. */
static uint64_t mix_blocks(uint64_t state, const unsigned char *data, size_t blocks)
{
    uint64_t lane[LANES] = {state, state + 1, state + 2, state + 3};
    for (size_t block = 0; block < blocks; block++, data += LANES * WORD) {
        for (size_t i = 0; i < LANES; i++)
            lane[i] = mix(lane[i], load(data + i * WORD));
    }
    return mix(mix(mix(lane[0], lane[1]), lane[2]), lane[3]);
}

uint64_t fingerprint(uint64_t previous, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    const size_t blocks = size / (LANES * WORD);
    uint64_t state = mix(mix(START, previous), size);
    if (blocks > 0)
        state = mix_blocks(state, bytes, blocks);
    for (size_t done = blocks * LANES * WORD; done < size; done += WORD) {
        unsigned char word[WORD] = {0};
        memcpy(word, bytes + done, size - done < WORD ? size - done : WORD);
        state = mix(state, load(word));
    }
    return state;
}
