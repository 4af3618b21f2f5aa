/* CUDA_VISIBLE_DEVICES over a list of cards, as CUDA applies it (CUDA C++ Programming Guide,
 * "Environment Variables"): indices, prefixes of GPU-… and MIG-… UUIDs, MIG-GPU-…/gi/ci; empty means
 * none; the list ends at the first entry that names no card.
 *
 * The order of indices is CUDA's own secret unless CUDA_DEVICE_ORDER is PCI_BUS_ID. It matters only
 * where cards differ: then a selection by index is not guessed.
 */
#ifndef ENV_CUDA_VISIBLE_H
#define ENV_CUDA_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "env/gpu.h"

/* A card, or a MIG device on one, as NVML lists it: cards in the order of their PCI addresses, each
 * followed by its MIG devices. */
struct visible_card {
    char uuid[96];
    bool is_mig;      /* a MIG device */
    bool mig_enabled; /* a card that is cut into MIG devices: CUDA shows those, not the card */
    int instance[2];  /* MIG device: GPU and compute instance */
    size_t parent;    /* MIG device: index of its card */
    size_t kind;      /* equal numbers: nothing in a key tells them apart */
};

/* Sets chosen[i] for each card that CUDA would show. False, with the reason in `said`, where that
 * cannot be told. */
bool cuda_visible_select(bool *chosen, const struct visible_card *cards, size_t count,
                         const struct gpu_probe *probe, struct gpu_said *said);

#endif
