/*
 * The network run by torch in an embedded Python: how libmcplugin talks to libmcplugin_torch, which
 * it loads only when a "torch:..." sampler is created. csrc/embed builds that library.
 *
 * Each function returns a mcp_status and, on failure, writes the reason to text (text_size bytes,
 * always terminated). All of them may be called from any thread.
 */
#ifndef MCP_TORCH_ENGINE_H
#define MCP_TORCH_ENGINE_H

#include <stddef.h>
#include <stdint.h>

/* Start Python if need be, load the generator on a device ("cpu", "cuda", "cuda:1"). */
typedef int mcp_torch_open_function(const char *device, uint64_t *engine, double *theta_lo,
                                    double *theta_hi, char *text, size_t text_size);

/* Map n latent radii to four-velocities; n_theta is 1 or n. radius and u may be the same array. */
typedef int mcp_torch_map_function(uint64_t engine, size_t n, const double *radius,
                                   const double *theta, size_t n_theta, double *u, char *text,
                                   size_t text_size);

/* Release a generator; Python itself stays until the process ends. */
typedef void mcp_torch_close_function(uint64_t engine);

/* Their names in libmcplugin_torch. */
#define MCP_TORCH_OPEN "mcp_torch_open"
#define MCP_TORCH_MAP "mcp_torch_map"
#define MCP_TORCH_CLOSE "mcp_torch_close"

#endif
