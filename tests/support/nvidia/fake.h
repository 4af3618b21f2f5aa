/* What the stand-ins for NVIDIA's libraries (fake_cuda.c as libcuda.so.1, fake_nvml.c as
 * libnvidia-ml.so.1) have in common: one machine, described by the environment.
 *
 *     B10_FAKE_GPUS        cards, '|' between them: NAME;MAJOR.MINOR;UUID[;PROFILE:UUID,PROFILE:UUID…]
 *                          "NVIDIA H100 80GB HBM3;9.0;GPU-11111111-2222-3333-4444-555555555555|…"
 *                          with profiles the card is in MIG mode; unset: no cards
 *     B10_FAKE_CUDA        CUDA version of the driver, 12080; unset: 12080
 *     B10_FAKE_RC          return codes of functions: cuInit:100,nvmlInit_v2:9
 *     B10_FAKE_DELAY_MS    how long functions take: cuInit:60000
 *     B10_FAKE_LOG         a file; every call appends "<pid> <function>\n" with one write
 *
 * libcuda obeys CUDA_VISIBLE_DEVICES for indices, GPU- and MIG-UUID prefixes, and shows the first
 * MIG device of a card in MIG mode. Before cuInit, and in a child that was forked after it, its
 * functions return 3 (not initialised), as the real one does, all but cuDriverGetVersion; cuInit
 * returns 100 where no card is to be seen.
 */
#ifndef SUPPORT_NVIDIA_FAKE_H
#define SUPPORT_NVIDIA_FAKE_H

enum { FAKE_CARDS_MAX = 16, FAKE_MIGS_MAX = 8 };

struct fake_mig {
    char profile[32];
    char uuid[96];
};

struct fake_card {
    char name[96]; /* may be empty or hold any bytes */
    int major, minor;
    char uuid[96];
    struct fake_mig migs[FAKE_MIGS_MAX];
    int mig_count;
};

/* Reads B10_FAKE_GPUS afresh; returns the number of cards. */
int fake_cards(struct fake_card cards[FAKE_CARDS_MAX]);

int fake_cuda_version(void);

/* Logs the call, takes its time, and returns its code from B10_FAKE_RC (0 if none is given). */
int fake_enter(const char *function);

#endif
