#include "blocks.h"

static generator_state source_of(source from, size_t i) {
    return from.is_rows ? (generator_state){&from.state[2 * i], &from.state[2 * i + 1]}
                        : lane_of(from.state, i);
}

void mcp_prepare(const mcp_sampler *sampler, const double *theta, size_t n_theta,
                 temperatures *prepared) {
    prepared->theta = theta;
    prepared->same = n_theta == 1;
    if (!prepared->same || sampler->kind == TORCH)
        return;
    if (sampler->kind == REJECTION) {
        prepared->mixture = mcp_gamma_mixture(theta[0]);
        return;
    }
    mcp_generator_fold(&sampler->generator, theta[0], &prepared->folded);
    sampler->kernels->fold(&sampler->generator, theta[0], prepared->folded.single);
}

void mcp_map_block(const mcp_sampler *sampler, const temperatures *at, size_t first, size_t count,
                   draw_block *block) {
    if (at->same) {
        sampler->kernels->map(&at->folded, count, block);
        return;
    }
    memcpy(block->theta, at->theta + first, count * sizeof *block->theta);
    sampler->kernels->map_each_theta(&sampler->generator, count, block);
}

/* Accept what is below the squeeze at a glance, and settle the rest one by one. */
static void make_exact(const mcp_sampler *sampler, const temperatures *at, source from,
                       size_t count, draw_block *block) {
    const exact_envelope *envelope = &sampler->envelope;
    const double tail_square = envelope->tail_radius * envelope->tail_radius;
    double threshold[MCP_BLOCK];
    (from.is_rows ? sampler->kernels->draw_uniforms_from_streams
                  : sampler->kernels->draw_uniforms)(from.state, count, threshold);
    double squeeze = at->same ? envelope->squeeze[mcp_cell(envelope, at->folded.theta)] : 0.0;
    folded_generator own;
    for (size_t i = 0; i < count; i++) {
        if (!at->same)
            squeeze = envelope->squeeze[mcp_cell(envelope, block->theta[i])];
        if (threshold[i] <= squeeze && block->radius_square[i] <= tail_square)
            continue;
        if (!at->same)
            mcp_generator_fold(&sampler->generator, block->theta[i], &own);
        const proposal candidate = {block->radius_square[i], block->u[i], threshold[i]};
        block->u[i] =
            mcp_settle(envelope, at->same ? &at->folded : &own, candidate, source_of(from, i));
    }
}

static void reject_block(const temperatures *at, source from, size_t first, size_t count,
                         draw_block *block) {
    for (size_t i = 0; i < count; i++) {
        const gamma_mixture own = at->same ? at->mixture : mcp_gamma_mixture(at->theta[first + i]);
        block->u[i] = mcp_draw_gamma_mixture(&own, source_of(from, i));
    }
}

void mcp_draw_block(const mcp_sampler *sampler, const temperatures *at, source from, size_t first,
                    size_t count, draw_block *block) {
    if (sampler->kind == REJECTION) {
        reject_block(at, from, first, count, block);
        return;
    }
    (from.is_rows ? sampler->kernels->draw_radii_from_streams
                  : sampler->kernels->draw_radii)(from.state, count, block);
    mcp_map_block(sampler, at, first, count, block);
    if (sampler->kind == GAN_EXACT)
        make_exact(sampler, at, from, count, block);
}
