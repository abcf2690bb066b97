/* Calls that scatter photons. */
#include "blocks.h"
#include "checks.h"
#include "exact_event.h"
#include "status.h"

#include <math.h>

/* Temperatures and photons of a call, with what is computed once if all temperatures are the same.
 */
typedef struct encounters {
    const double *x;
    const double *theta;
    int same;
    int any_beyond; /* of the photons, the generator's energies */
    folded_events folded;
    gamma_mixture mixture;
} encounters;

static void prepare(const mcp_sampler *sampler, const double *x, const double *theta,
                    size_t n_theta, int any_beyond, encounters *of) {
    of->x = x;
    of->theta = theta;
    of->same = n_theta == 1;
    of->any_beyond = any_beyond;
    if (of->same && sampler->kind == GAN_EVENT)
        sampler->event_kernels->fold(&sampler->events, theta[0], &of->folded);
    if (of->same)
        of->mixture = mcp_gamma_mixture(theta[0]);
}

/* Photons number first to first + count of a call, whose latents the block has. */
static void map_block(const mcp_sampler *sampler, const encounters *of, size_t first, size_t count,
                      event_block *block) {
    memcpy(block->x, of->x + first, count * sizeof *block->x);
    if (of->same) {
        sampler->event_kernels->map(&of->folded, count, block);
        return;
    }
    memcpy(block->theta, of->theta + first, count * sizeof *block->theta);
    sampler->event_kernels->map_each_theta(&sampler->events, count, block);
}

/* Photon number i of a block that begins with number first of the call. */
static void scatter_exactly(const encounters *of, source from, size_t first, size_t i,
                            event_block *block) {
    const gamma_mixture own = of->same ? of->mixture : mcp_gamma_mixture(of->theta[first + i]);
    const scattered after = mcp_scatter_exactly(of->x[first + i], &own, source_of(from, i));
    block->x_out[i] = after.x;
    block->cosine[i] = after.cosine;
}

static void scatter_block(const mcp_sampler *sampler, const encounters *of, source from,
                          size_t first, size_t count, event_block *block) {
    const double *x = of->x + first;
    if (sampler->kind == EXACT_EVENT) {
        for (size_t i = 0; i < count; i++)
            scatter_exactly(of, from, first, i, block);
        return;
    }
    (from.is_rows ? sampler->event_kernels->draw_latents_from_streams
                  : sampler->event_kernels->draw_latents)(from.state, count, block);
    map_block(sampler, of, first, count, block);
    for (size_t i = 0; of->any_beyond && i < count; i++)
        if (x[i] > sampler->events.x_hi)
            scatter_exactly(of, from, first, i, block);
}

/* Whether x are photon energies, and whether some are beyond a generator: mostly one look does. */
static int check_photons(const mcp_sampler *sampler, const double *x, size_t n, int *any_beyond) {
    *any_beyond = mcp_first_outside(x, n, MCP_PHOTON_LO, sampler->events.x_hi) < n;
    return *any_beyond ? mcp_check_photons(x, n, MCP_PHOTON_HI) : MCP_OK;
}

/* The call itself, whose random numbers are those of the span `state`. */
static int scatter(const mcp_sampler *sampler, span state, source from, size_t n, const double *x,
                   const double *theta, size_t n_theta, double *x_out, double *cosine) {
    const span spans[] = {{"theta", theta, n > 0 ? n_theta : 0, 0},
                          state,
                          {"x", x, n, 0},
                          {"x_out", x_out, n, 1},
                          {"cosine", cosine, n, 1}};
    int any_beyond = 0;
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 5);
    if (status == MCP_OK)
        status = mcp_check_scatters(sampler);
    if (status == MCP_OK)
        status = check_photons(sampler, x, n, &any_beyond);
    if (status == MCP_OK)
        status = from.is_rows ? mcp_check_streams(from.state, n) : mcp_check_rng(state.start);
    if (status != MCP_OK || n == 0)
        return status;
    encounters of;
    event_block block;
    prepare(sampler, x, theta, n_theta, any_beyond, &of);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        scatter_block(sampler, &of, from, first, count, &block);
        memcpy(x_out + first, block.x_out, count * sizeof *x_out);
        memcpy(cosine + first, block.cosine, count * sizeof *cosine);
        if (from.is_rows)
            from.state += 2 * count;
    }
    return MCP_OK;
}

int mcp_scatter(const mcp_sampler *sampler, mcp_rng *rng, size_t n, const double *x,
                const double *theta, size_t n_theta, double *x_out, double *cosine) {
    const span state = {"rng", rng, sizeof *rng / 8, 1};
    /* Its first member by its address alone: nobody has looked yet whether it is there. */
    const source from = {(void *)rng, 0};
    return scatter(sampler, state, from, n, x, theta, n_theta, x_out, cosine);
}

int mcp_scatter_streams(const mcp_sampler *sampler, uint64_t *streams, size_t n, const double *x,
                        const double *theta, size_t n_theta, double *x_out, double *cosine) {
    const span state = {"streams", streams, mcp_rows(n, 2), 1};
    const source from = {streams, 1};
    return scatter(sampler, state, from, n, x, theta, n_theta, x_out, cosine);
}

static int check_latents(const double *v, const double *z, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(v[i] >= 0.0 && v[i] <= 1.0))
            return mcp_fail(MCP_ERROR_ARGUMENT,
                            "v[%zu] = %g is not within 0 to 1: give uniform numbers", i, v[i]);
        if (!(fabs(z[i]) <= MCP_MAX_NORMAL))
            return mcp_fail(MCP_ERROR_ARGUMENT,
                            "z[%zu] = %g is not within -%g to %g: give standard normal numbers", i,
                            z[i], MCP_MAX_NORMAL, MCP_MAX_NORMAL);
    }
    return MCP_OK;
}

int mcp_transform_event(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                        const double *x, const double *v, const double *z, double *x_out,
                        double *cosine) {
    const span spans[] = {{"theta", theta, n > 0 ? n_theta : 0, 0},
                          {"x", x, n, 0},
                          {"v", v, n, 0},
                          {"z", z, n, 0},
                          {"x_out", x_out, n, 1},
                          {"cosine", cosine, n, 1}};
    int status = mcp_check_call(sampler, n, theta, n_theta, spans, 6);
    if (status == MCP_OK && sampler->kind != GAN_EVENT)
        status = mcp_fail(MCP_ERROR_UNSUPPORTED,
                          "only \"gan-event\" makes events of two random numbers");
    if (status == MCP_OK)
        status = mcp_check_photons(x, n, sampler->events.x_hi);
    if (status == MCP_OK)
        status = check_latents(v, z, n);
    if (status != MCP_OK || n == 0)
        return status;
    encounters of;
    event_block block;
    prepare(sampler, x, theta, n_theta, 0, &of);
    for (size_t first = 0; first < n; first += MCP_BLOCK) {
        const size_t count = mcp_block_size(first, n);
        for (size_t i = 0; i < count; i++) {
            block.v[i] = (float)v[first + i];
            block.complement[i] = (float)(1.0 - v[first + i]);
            block.z[i] = (float)z[first + i];
        }
        map_block(sampler, &of, first, count, &block);
        memcpy(x_out + first, block.x_out, count * sizeof *x_out);
        memcpy(cosine + first, block.cosine, count * sizeof *cosine);
    }
    return MCP_OK;
}
