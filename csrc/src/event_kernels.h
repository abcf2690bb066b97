/*
 * The loops over many Compton events, compiled once per instruction set from event_kernels.c, like
 * those of kernels.h over electrons.
 */
#ifndef MCP_EVENT_KERNELS_H
#define MCP_EVENT_KERNELS_H

#include "event_generator.h"
#include "kernels.h"

typedef struct event_block {
    /* Latents. That of v near 1 keeps its digits in the complement 1 - v. */
    alignas(64) float v[MCP_BLOCK];
    alignas(64) float complement[MCP_BLOCK];
    alignas(64) float z[MCP_BLOCK];

    alignas(64) double x[MCP_BLOCK];
    alignas(64) double theta[MCP_BLOCK];
    alignas(64) double x_out[MCP_BLOCK];
    alignas(64) double cosine[MCP_BLOCK];
} event_block;

/* The parameters at one temperature, those of the features as factors exp(l). */
typedef struct folded_events {
    const event_generator *generator;
    float root_theta;
    float momentum_scale;
    float cosine[MCP_MAX_EVENT_PARAMETERS];
    float momentum[MCP_MAX_EVENT_PARAMETERS];
} folded_events;

typedef struct event_kernels {
    /* Latents of count <= MCP_BLOCK events, event i from lane i % 8 of a mcp_rng's state. */
    void (*draw_latents)(uint64_t state[16], size_t count, event_block *block);

    /* The same, event i from row i of an (n, 2) array of streams. */
    void (*draw_latents_from_streams)(uint64_t *streams, size_t count, event_block *block);

    void (*fold)(const event_generator *generator, double theta, folded_events *folded);

    /* block->x_out and cosine from x and latents, at one temperature or at block->theta. */
    void (*map)(const folded_events *folded, size_t count, event_block *block);
    void (*map_each_theta)(const event_generator *generator, size_t count, event_block *block);
} event_kernels;

extern const event_kernels mcp_event_kernels_generic;
#if defined(__x86_64__)
extern const event_kernels mcp_event_kernels_avx2;
extern const event_kernels mcp_event_kernels_avx512;
#endif

#endif
