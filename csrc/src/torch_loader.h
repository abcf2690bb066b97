/* Finds libmcplugin_torch, which runs the network in an embedded Python. */
#ifndef MCP_TORCH_LOADER_H
#define MCP_TORCH_LOADER_H

#include "torch_engine.h"

typedef struct torch_engine {
    uint64_t handle;
    mcp_torch_map_function *map;
    mcp_torch_close_function *close;
} torch_engine;

/* Both return a mcp_status. */
int mcp_torch_load(torch_engine *engine, const char *device, double *theta_lo, double *theta_hi);

/* Replace n latent radii by four-velocities, in one call: a call is what costs. */
int mcp_torch_map(const torch_engine *engine, size_t n, const double *theta, size_t n_theta,
                  double *radius_to_u);

#endif
