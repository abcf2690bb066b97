#include "blocks.h"

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
    sampler->kernels->fold(&sampler->generator, theta[0], &prepared->folded);
    if (sampler->kind == GAN_EXACT)
        mcp_generator_fold(&sampler->generator, theta[0], &prepared->folded);
}

void mcp_prepare_draws(const mcp_sampler *sampler, source from, size_t n, const double *theta,
                       size_t n_theta, temperatures *prepared) {
    mcp_prepare(sampler, theta, n_theta, prepared);
    const int is_folded = prepared->same && (sampler->kind == GAN || sampler->kind == GAN_EXACT);
    /* Two blocks make up for its time. Draws from rows must not depend on how many there are. */
    if (is_folded && (from.is_rows || n >= 2 * MCP_BLOCK))
        sampler->kernels->tabulate(&prepared->folded);
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
    unsigned char pending[MCP_BLOCK];
    if (at->same)
        sampler->kernels->mark_above(threshold, block, count,
                                     envelope->squeeze[mcp_cell(envelope, at->folded.theta)],
                                     tail_square, pending);
    for (size_t i = 0; i < count && !at->same; i++)
        pending[i] = (threshold[i] > envelope->squeeze[mcp_cell(envelope, block->theta[i])]) |
                     (block->chi_square[i] * block->share[i] > tail_square);
    folded_map folded_here;
    const folded_map *folded = at->same ? &at->folded : &folded_here;
    for (unsigned char *found = memchr(pending, 1, count); found != NULL;
         found = memchr(found + 1, 1, (size_t)(pending + count - found) - 1)) {
        const size_t i = (size_t)(found - pending);
        if (!at->same)
            mcp_generator_fold(&sampler->generator, block->theta[i], &folded_here);
        const proposal candidate = {block->chi_square[i] * block->share[i], block->u[i],
                                    threshold[i]};
        block->u[i] = mcp_settle(envelope, folded, candidate, source_of(from, i));
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
    (from.is_rows ? sampler->kernels->draw_latents_from_streams
                  : sampler->kernels->draw_latents)(from.state, count, block);
    if (at->same && at->folded.is_tabulated)
        sampler->kernels->map_by_table(&at->folded, count, block);
    else
        mcp_map_block(sampler, at, first, count, block);
    if (sampler->kind == GAN_EXACT)
        make_exact(sampler, at, from, count, block);
}
