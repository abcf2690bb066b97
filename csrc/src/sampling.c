/* Calls that draw. */
#include "blocks.h"
#include "checks.h"
#include "status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Draws in memory of its own, so that a failure leaves the caller's as it was. */
static int draw_with_torch(const mcp_sampler *sampler, mcp_rng *rng, size_t n, const double *theta,
                           size_t n_theta, double **drawn) {
    *drawn = malloc((n > 0 ? n : 1) * sizeof **drawn);
    if (*drawn == NULL)
        return mcp_fail(MCP_ERROR_MEMORY, "no memory for %zu draws through torch", n);
    mcp_rng advanced = *rng;
    draw_block block;
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        sampler->kernels->draw_latents(advanced.state, count, &block);
        for (size_t i = 0; i < count; i++)
            (*drawn)[first + i] = sqrt(block.chi_square[i] * block.share[i]);
    }
    const int status = n == 0 ? MCP_OK : mcp_torch_map(&sampler->torch, n, theta, n_theta, *drawn);
    if (status == MCP_OK) {
        *rng = advanced;
        return MCP_OK;
    }
    free(*drawn);
    return status;
}

static void draw(const mcp_sampler *sampler, source from, size_t n, const double *theta,
                 size_t n_theta, double *u) {
    temperatures at;
    draw_block block;
    mcp_prepare_draws(sampler, from, n, theta, n_theta, &at);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        mcp_draw_block(sampler, &at, from, first, count, &block);
        memcpy(u + first, block.u, count * sizeof *u);
        if (from.is_rows)
            from.state += 2 * count;
    }
}

int mcp_sample_four_velocity(const mcp_sampler *sampler, mcp_rng *rng, size_t n,
                             const double *theta, size_t n_theta, double *u) {
    const span spans[] = {
        {"theta", theta, n > 0 ? n_theta : 0, 0}, {"rng", rng, sizeof *rng / 8, 1}, {"u", u, n, 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 3);
    if (status == MCP_OK)
        status = mcp_check_gives_electrons(sampler);
    if (status == MCP_OK)
        status = mcp_check_rng(rng);
    if (status != MCP_OK || n == 0)
        return status;
    if (sampler->kind == TORCH) {
        double *drawn;
        status = draw_with_torch(sampler, rng, n, theta, n_theta, &drawn);
        if (status != MCP_OK)
            return status;
        memcpy(u, drawn, n * sizeof *u);
        free(drawn);
        return MCP_OK;
    }
    draw(sampler, (source){rng->state, 0}, n, theta, n_theta, u);
    return MCP_OK;
}

int mcp_sample_four_velocity_vector(const mcp_sampler *sampler, mcp_rng *rng, size_t n,
                                    const double *theta, size_t n_theta, double *u3) {
    const span spans[] = {{"theta", theta, n > 0 ? n_theta : 0, 0},
                          {"rng", rng, sizeof *rng / 8, 1},
                          {"u3", u3, mcp_rows(n, 3), 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 3);
    if (status == MCP_OK)
        status = mcp_check_gives_electrons(sampler);
    if (status == MCP_OK)
        status = mcp_check_rng(rng);
    if (status != MCP_OK || n == 0)
        return status;
    double *drawn = NULL;
    if (sampler->kind == TORCH) {
        status = draw_with_torch(sampler, rng, n, theta, n_theta, &drawn);
        if (status != MCP_OK)
            return status;
    }
    temperatures at;
    draw_block block;
    const source from = {rng->state, 0};
    mcp_prepare_draws(sampler, from, n, theta, n_theta, &at);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        if (drawn == NULL)
            mcp_draw_block(sampler, &at, from, first, count, &block);
        else
            memcpy(block.u, drawn + first, count * sizeof *drawn);
        sampler->kernels->point(rng->state, count, block.u, u3 + 3 * first);
    }
    free(drawn);
    return MCP_OK;
}

int mcp_sample_streams(const mcp_sampler *sampler, uint64_t *streams, size_t n, const double *theta,
                       size_t n_theta, double *u) {
    const span spans[] = {{"theta", theta, n > 0 ? n_theta : 0, 0},
                          {"streams", streams, mcp_rows(n, 2), 1},
                          {"u", u, n, 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 3);
    if (status == MCP_OK)
        status = mcp_check_gives_electrons(sampler);
    if (status == MCP_OK && n > 0)
        status = mcp_check_streams(streams, n);
    if (status != MCP_OK || n == 0)
        return status;
    if (sampler->kind == TORCH)
        return mcp_fail(MCP_ERROR_UNSUPPORTED, "torch samplers draw from a mcp_rng alone");
    draw(sampler, (source){streams, 1}, n, theta, n_theta, u);
    return MCP_OK;
}
