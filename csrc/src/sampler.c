/* Samplers: made from a spec, asked what they are, released. */
#include "sampler.h"
#include "checks.h"
#include "exact_event.h"
#include "status.h"
#include "weight_file.h"

#include <stdlib.h>
#include <string.h>

/* ---- Creation ---- */

/* Weights in memory, and what messages call them. */
typedef struct weight_bytes {
    const unsigned char *bytes;
    size_t size;
    const char *name;
} weight_bytes;

typedef struct spec_form {
    const char *name;
    sampler_kind kind;
    int takes_more; /* may be followed by ":" and a file or a device */
} spec_form;

static const spec_form spec_forms[] = {
    {"gan-event", GAN_EVENT, 1}, {"exact-event", EXACT_EVENT, 0},
    {"gan-exact", GAN_EXACT, 1}, {"gan", GAN, 1},
    {"rejection", REJECTION, 0}, {"torch", TORCH, 1},
};

/* What follows the name and ":", "" if nothing does, NULL if the spec is not of this form. */
static const char *after_name(const spec_form *form, const char *spec) {
    const size_t length = strlen(form->name);
    if (strncmp(spec, form->name, length) != 0)
        return NULL;
    if (spec[length] == '\0')
        return spec + length;
    return form->takes_more && spec[length] == ':' && spec[length + 1] != '\0' ? spec + length + 1
                                                                               : NULL;
}

static int read_generator(mcp_sampler *sampler, const weight_bytes *from, double tail_radius) {
    if (sampler->kind == GAN_EVENT) {
        const int status =
            mcp_event_generator_read(&sampler->events, from->bytes, from->size, from->name);
        sampler->theta_lo = sampler->events.theta_lo;
        sampler->theta_hi = sampler->events.theta_hi;
        return status;
    }
    const int status = mcp_generator_read(&sampler->generator, from->bytes, from->size, from->name);
    sampler->theta_lo = sampler->generator.theta_lo;
    sampler->theta_hi = sampler->generator.theta_hi;
    if (status != MCP_OK || sampler->kind == GAN)
        return status;
    return mcp_envelope_build(&sampler->envelope, &sampler->generator, tail_radius, from->name);
}

static int read_generator_file(mcp_sampler *sampler, const char *path, double tail_radius) {
    unsigned char *bytes = malloc(mcp_room_for_weights);
    if (bytes == NULL)
        return mcp_fail(MCP_ERROR_MEMORY, "no memory for weights (%zu bytes)",
                        mcp_room_for_weights);
    weight_bytes content = {.bytes = bytes, .name = path};
    int status = mcp_weight_file_content(path, bytes, mcp_room_for_weights, &content.size);
    if (status == MCP_OK)
        status = read_generator(sampler, &content, tail_radius);
    free(bytes);
    return status;
}

/* Weights in memory if they are given, else those that are compiled in. */
static int read_weights(mcp_sampler *sampler, const weight_bytes *given, double tail_radius) {
    static const char name[] = "the built-in generator";
    const weight_bytes electrons = {mcp_builtin_weights, mcp_builtin_weights_size, name};
    const weight_bytes events = {mcp_builtin_event_weights, mcp_builtin_event_weights_size, name};
    const weight_bytes *built_in = sampler->kind == GAN_EVENT ? &events : &electrons;
    return read_generator(sampler, given != NULL ? given : built_in, tail_radius);
}

static int fill_in(mcp_sampler *sampler, const char *spec, const weight_bytes *given,
                   double tail_radius) {
    for (size_t i = 0; i < sizeof spec_forms / sizeof spec_forms[0]; i++) {
        const char *rest = after_name(&spec_forms[i], spec);
        if (rest == NULL)
            continue;
        const kernel_set *set = mcp_select_kernels();
        if (set == NULL)
            return mcp_fail(MCP_ERROR_ARGUMENT,
                            "the environment's MCPLUGIN_ISA is not avx512, avx2 or generic");
        sampler->kind = spec_forms[i].kind;
        sampler->kernels = set->electrons;
        sampler->event_kernels = set->events;
        switch (sampler->kind) {
        case REJECTION:
        case EXACT_EVENT:
            sampler->theta_lo = MCP_REJECTION_THETA_LO;
            sampler->theta_hi = MCP_REJECTION_THETA_HI;
            return MCP_OK;
        case TORCH:
            return mcp_torch_load(&sampler->torch, *rest == '\0' ? "cpu" : rest, &sampler->theta_lo,
                                  &sampler->theta_hi);
        default:
            return *rest == '\0' ? read_weights(sampler, given, tail_radius)
                                 : read_generator_file(sampler, rest, tail_radius);
        }
    }
    return mcp_fail(MCP_ERROR_SPEC,
                    "no sampler is called \"%.80s\": use gan, gan:FILE, gan-exact, gan-exact:FILE, "
                    "rejection, torch:cpu or torch:cuda for electrons, gan-event, gan-event:FILE "
                    "or exact-event for Compton events",
                    spec);
}

static int create(const char *spec, const weight_bytes *given, double tail_radius,
                  mcp_sampler **out) {
    if (out == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "out is NULL: give the address of a mcp_sampler *");
    *out = NULL;
    if (spec == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "spec is NULL: name a sampler, for example \"gan\"");
    mcp_sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL)
        return mcp_fail(MCP_ERROR_MEMORY, "no memory for a sampler (%zu bytes)", sizeof *sampler);
    const int status = fill_in(sampler, spec, given, tail_radius);
    if (status != MCP_OK) {
        free(sampler);
        return status;
    }
    sampler->life = MCP_ALIVE;
    *out = sampler;
    return MCP_OK;
}

int mcp_sampler_create(const char *spec, mcp_sampler **out) {
    return create(spec, NULL, MCP_TAIL_RADIUS, out);
}

int mcp_sampler_create_from_bytes(const char *spec, const void *bytes, size_t size,
                                  double tail_radius, mcp_sampler **out) {
    if (out != NULL)
        *out = NULL;
    if (bytes == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "bytes is NULL: give weights in their C form");
    if (!(tail_radius >= 1.0 && tail_radius <= 20.0))
        return mcp_fail(MCP_ERROR_ARGUMENT, "tail_radius = %g is not within 1 to 20", tail_radius);
    const weight_bytes given = {bytes, size, "the generator in memory"};
    return create(spec, &given, tail_radius, out);
}

void mcp_sampler_destroy(mcp_sampler *sampler) {
    if (sampler == NULL || mcp_check_sampler(sampler) != MCP_OK)
        return;
    if (sampler->kind == TORCH)
        sampler->torch.close(sampler->torch.handle);
    /* A hint for those who use it afterwards; volatile, or the store would be dropped. */
    *(volatile uint64_t *)&sampler->life = ~MCP_ALIVE;
    free(sampler);
}

/* ---- What a sampler is ---- */

int mcp_sampler_theta_range(const mcp_sampler *sampler, double *lo, double *hi) {
    const int status = mcp_check_sampler(sampler);
    if (status != MCP_OK)
        return status;
    if (lo == NULL || hi == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "lo or hi is NULL");
    *lo = sampler->theta_lo;
    *hi = sampler->theta_hi;
    return MCP_OK;
}

int mcp_sampler_acceptance(const mcp_sampler *sampler, double theta, double *acceptance) {
    int status = mcp_check_sampler(sampler);
    if (status == MCP_OK)
        status = mcp_check_theta(sampler, &theta, 1);
    if (status != MCP_OK)
        return status;
    if (acceptance == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "acceptance is NULL");
    folded_map folded;
    switch (sampler->kind) {
    case EXACT_EVENT:
        return mcp_fail(MCP_ERROR_UNSUPPORTED,
                        "which share of electrons exact-event accepts depends on the photon, too: "
                        "for electrons alone ask \"rejection\"");
    case GAN_EXACT:
        mcp_generator_fold(&sampler->generator, theta, &folded);
        *acceptance = mcp_exact_acceptance(&sampler->envelope, &folded);
        return MCP_OK;
    case REJECTION:
        *acceptance = mcp_rejection_acceptance(theta);
        return MCP_OK;
    default:
        *acceptance = 1.0;
        return MCP_OK;
    }
}

int mcp_sampler_photon_range(const mcp_sampler *sampler, double *lo, double *hi) {
    int status = mcp_check_sampler(sampler);
    if (status == MCP_OK)
        status = mcp_check_scatters(sampler);
    if (status != MCP_OK)
        return status;
    if (lo == NULL || hi == NULL)
        return mcp_fail(MCP_ERROR_ARGUMENT, "lo or hi is NULL");
    *lo = MCP_PHOTON_LO;
    *hi = sampler->kind == GAN_EVENT ? sampler->events.x_hi : MCP_PHOTON_HI;
    return MCP_OK;
}

const char *mcp_sampler_instruction_set(const mcp_sampler *sampler) {
    return mcp_check_sampler(sampler) == MCP_OK ? sampler->kernels->instruction_set : NULL;
}
