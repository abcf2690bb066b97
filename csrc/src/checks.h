/* What is asked of the arguments of a call before anything is touched. Each gives a mcp_status. */
#ifndef MCP_CHECKS_H
#define MCP_CHECKS_H

#include "sampler.h"

/* An array of 8-byte numbers: its name, start and number of elements, and what it is for. */
typedef struct span {
    const char *name;
    const void *start;
    size_t count;
    int is_written;
} span;

/* The first of some numbers that is not within lo to hi, both positive; n if all are. */
size_t mcp_first_outside(const double *values, size_t n, double lo, double hi);

int mcp_check_sampler(const mcp_sampler *sampler);
int mcp_check_rng(const mcp_rng *rng);
int mcp_check_streams(const uint64_t *streams, size_t n);
int mcp_check_theta(const mcp_sampler *sampler, const double *theta, size_t n_theta);
int mcp_check_photons(const double *x, size_t n, double highest);

/* Whether the sampler gives what is asked of it: electrons, or events. */
int mcp_check_gives_electrons(const mcp_sampler *sampler);
int mcp_check_scatters(const mcp_sampler *sampler);

/* Everything about a call with temperatures and arrays; what the arrays hold is not looked at. */
int mcp_check_call(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                   const span *spans, size_t count);

/* Numbers in n rows of a width, 0 where n is too large to be possible. */
static inline size_t mcp_rows(size_t n, size_t width) { return n <= SIZE_MAX / 64 ? width * n : 0; }

#endif
