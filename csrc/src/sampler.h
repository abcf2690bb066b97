/* What is behind a mcp_sampler. */
#ifndef MCP_SAMPLER_H
#define MCP_SAMPLER_H

#include "dispatch.h"
#include "exact.h"
#include "torch_loader.h"

#include <mcplugin_streams.h>

/* What the first word of a sampler says while it is alive. */
#define MCP_ALIVE UINT64_C(0x6D63705F73616D70)

typedef enum sampler_kind { GAN, GAN_EXACT, REJECTION, TORCH, GAN_EVENT, EXACT_EVENT } sampler_kind;

struct mcp_sampler {
    uint64_t life;
    sampler_kind kind;
    double theta_lo;
    double theta_hi;
    const kernels *kernels;
    const event_kernels *event_kernels;
    union {
        thermal_map generator;  /* of gan and gan-exact */
        event_generator events; /* of gan-event */
        torch_engine torch;
    };
    exact_envelope envelope; /* of gan-exact */
};

#endif
