/* Calls that map the caller's latents: no random numbers. */
#include "blocks.h"
#include "checks.h"
#include "status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int check_map(const mcp_sampler *sampler) {
    const int status = mcp_check_gives_electrons(sampler);
    if (status != MCP_OK)
        return status;
    return sampler->kind == GAN || sampler->kind == TORCH
               ? MCP_OK
               : mcp_fail(MCP_ERROR_UNSUPPORTED,
                          "rejection and gan-exact need an unknown number of random numbers: "
                          "transform with gan or torch, or sample with a mcp_rng");
}

static int check_radius_square(size_t i, double radius_square) {
    return radius_square <= MCP_MAX_RADIUS * MCP_MAX_RADIUS
               ? MCP_OK
               : mcp_fail(MCP_ERROR_ARGUMENT,
                          "latent %zu has the radius %g, not one within 0 to %g: give standard "
                          "normal numbers",
                          i, sqrt(radius_square), MCP_MAX_RADIUS);
}

static double square_of(const double *z) { return z[0] * z[0] + z[1] * z[1] + z[2] * z[2]; }

int mcp_transform(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                  const double *z3, double *u3) {
    const size_t size = mcp_rows(n, 3);
    const span spans[] = {
        {"theta", theta, n > 0 ? n_theta : 0, 0}, {"z3", z3, size, 0}, {"u3", u3, size, 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 3);
    if (status == MCP_OK)
        status = check_map(sampler);
    for (size_t i = 0; i < n && status == MCP_OK; i++)
        status = check_radius_square(i, square_of(z3 + 3 * i));
    if (status != MCP_OK || n == 0)
        return status;

    double *mapped = NULL;
    if (sampler->kind == TORCH) {
        mapped = malloc(n * sizeof *mapped);
        if (mapped == NULL)
            return mcp_fail(MCP_ERROR_MEMORY, "no memory for %zu latents", n);
        for (size_t i = 0; i < n; i++)
            mapped[i] = sqrt(square_of(z3 + 3 * i));
        status = mcp_torch_map(&sampler->torch, n, theta, n_theta, mapped);
        if (status != MCP_OK) {
            free(mapped);
            return status;
        }
    }
    temperatures at;
    draw_block block;
    mcp_prepare(sampler, theta, n_theta, &at);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        for (size_t i = 0; i < count; i++) {
            block.chi_square[i] = square_of(z3 + 3 * (first + i));
            block.share[i] = 1.0F;
        }
        if (mapped == NULL)
            mcp_map_block(sampler, &at, first, count, &block);
        else
            memcpy(block.u, mapped + first, count * sizeof *mapped);
        for (size_t i = 0; i < count; i++) {
            const double square = block.chi_square[i];
            const double gain = square > 0.0 ? block.u[i] / sqrt(square) : 0.0;
            for (size_t axis = 0; axis < 3; axis++)
                u3[3 * (first + i) + axis] = gain * z3[3 * (first + i) + axis];
        }
    }
    free(mapped);
    return MCP_OK;
}

int mcp_transform_radius(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                         const double *radius, double *u) {
    const span spans[] = {
        {"theta", theta, n > 0 ? n_theta : 0, 0}, {"radius", radius, n, 0}, {"u", u, n, 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 3);
    if (status == MCP_OK)
        status = check_map(sampler);
    for (size_t i = 0; i < n && status == MCP_OK; i++)
        status = check_radius_square(i, radius[i] >= 0.0 ? radius[i] * radius[i] : NAN);
    if (status != MCP_OK || n == 0)
        return status;
    if (sampler->kind == TORCH)
        return mcp_fail(MCP_ERROR_UNSUPPORTED, "call the torch sampler of the Python package");
    temperatures at;
    draw_block block;
    mcp_prepare(sampler, theta, n_theta, &at);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        for (size_t i = 0; i < count; i++) {
            block.chi_square[i] = radius[first + i] * radius[first + i];
            block.share[i] = 1.0F;
        }
        mcp_map_block(sampler, &at, first, count, &block);
        memcpy(u + first, block.u, count * sizeof *u);
    }
    return MCP_OK;
}
