/*
 * libmcplugin for the Python package: one random stream per photon, and latents given by the
 * caller. Host codes do not need these calls; they may change with any release.
 */
#ifndef MCPLUGIN_STREAMS_H
#define MCPLUGIN_STREAMS_H

#include <mcplugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows (n, 2) of xoroshiro128++ states, advanced in place: draw i uses row i alone. */
MCP_API int mcp_sample_streams(const mcp_sampler *sampler, uint64_t *streams, size_t n,
                               const double *theta, size_t n_theta, double *u);

/* Map n latent radii >= 0 to four-velocity magnitudes; "gan" only. */
MCP_API int mcp_transform_radius(const mcp_sampler *sampler, size_t n, const double *theta,
                                 size_t n_theta, const double *radius, double *u);

/* As mcp_scatter, but photon i uses row i of (n, 2) states alone. */
MCP_API int mcp_scatter_streams(const mcp_sampler *sampler, uint64_t *streams, size_t n,
                                const double *x, const double *theta, size_t n_theta, double *x_out,
                                double *cosine);

/*
 * Events of given random numbers: v uniform, 0 <= v <= 1, and z standard normal, |z| <= 12, for x
 * within mcp_sampler_photon_range; "gan-event" only.
 */
MCP_API int mcp_transform_event(const mcp_sampler *sampler, size_t n, const double *theta,
                                size_t n_theta, const double *x, const double *v, const double *z,
                                double *x_out, double *cosine);

/*
 * As mcp_sampler_create, but "gan", "gan-exact" and "gan-event" take their weights from memory
 * (size bytes of the C form), and the proposals for the tail of gan-exact begin at another latent
 * radius, 1 to 20: a small one shows the tail at work in fewer than 10^9 draws.
 */
MCP_API int mcp_sampler_create_from_bytes(const char *spec, const void *bytes, size_t size,
                                          double tail_radius, mcp_sampler **out);

/* Where they usually begin: one draw in 10^13 lies beyond. */
#define MCP_TAIL_RADIUS 8.0

#ifdef __cplusplus
}
#endif

#endif
