/*
 * libmcplugin: thermal electrons for Monte-Carlo Comptonisation, and photons that they scatter.
 *
 * Electrons are drawn from the Maxwell-Jüttner distribution f(u) ~ u² exp(-γ/Θ) of the
 * dimensionless four-velocity u = γβ (γ² = 1 + u²) at temperature Θ = kT/(mₑc²). All numbers are
 * dimensionless doubles. β = u/γ and γ follow from u without loss of digits; the reverse does not
 * hold when γ >> 1. Photons have energies x = hν/(mₑc²).
 *
 * Every function that can fail returns MCP_OK (0) or a status above 0. A call that fails leaves
 * its output arrays as they were. The library keeps no global state, never prints, never exits, and
 * allocates memory in mcp_sampler_create alone ("torch:..." samplers also while they draw).
 *
 * Threads: a sampler is immutable and may be used by any number of threads at once; a mcp_rng
 * belongs to one thread at a time.
 */
#ifndef MCPLUGIN_H
#define MCPLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define MCP_VERSION "0.1.0"
#define MCP_ABI_VERSION 2

#ifndef MCP_API
#define MCP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum mcp_status {
    MCP_OK = 0,
    MCP_ERROR_ARGUMENT = 1,    /* NULL, misaligned or overlapping arrays, n_theta not 1 or n */
    MCP_ERROR_THETA = 2,       /* a temperature outside the sampler's range, or NaN */
    MCP_ERROR_SPEC = 3,        /* no sampler is called like this */
    MCP_ERROR_FILE = 4,        /* a file of weights that cannot be read */
    MCP_ERROR_WEIGHTS = 5,     /* a file of weights that is damaged or of another version */
    MCP_ERROR_MEMORY = 6,      /* out of memory */
    MCP_ERROR_HANDLE = 7,      /* no sampler, or one that was destroyed */
    MCP_ERROR_RNG = 8,         /* a mcp_rng that was never seeded */
    MCP_ERROR_UNSUPPORTED = 9, /* this sampler has no such thing */
    MCP_ERROR_TORCH = 10,      /* Python or torch failed behind "torch:cpu" or "torch:cuda" */
    MCP_ERROR_PHOTON = 11      /* a photon energy out of range, or NaN */
};

typedef struct mcp_sampler mcp_sampler;

/*
 * Random state, owned by the caller: eight interleaved xoroshiro128++ generators (Blackman & Vigna
 * 2021, ACM TOMS 47, 36). 128 bytes; copying it copies the sequence. Let each thread declare its
 * own: in an array, those of neighbours may share a cache line and slow each other down.
 */
typedef struct mcp_rng {
    uint64_t state[16];
} mcp_rng;

/*
 * Create a sampler from its description. The environment variable MCPLUGIN_ISA (avx512, avx2,
 * generic) holds it to an instruction set, or to the best one that this processor has below it.
 *
 *   "gan"             the generative network, with the weights compiled into the library
 *   "gan:FILE"        the same with weights written by `mcplugin export --format c`
 *   "gan-exact"       draws of the network made exact by rejection against the true density;
 *   "gan-exact:FILE"    bad weights make it slower; those that nothing bounds are refused
 *   "rejection"       exact rejection of Zenitani & Nakano (2022, Phys. Plasmas 29, 113904)
 *   "torch:cpu"       the network as TorchScript through an embedded Python, on the processor
 *   "torch:cuda"      or on a GPU ("torch:cuda:1" ...)
 *
 * or, for mcp_scatter instead of electrons,
 *
 *   "gan-event"       the generative network of whole Compton events, weights compiled in
 *   "gan-event:FILE"  the same with weights written by `mcplugin export --format c`
 *   "exact-event"     electrons of "rejection", met and scattered off with the exact cross-section
 * On failure *out becomes NULL.
 */
MCP_API int mcp_sampler_create(const char *spec, mcp_sampler **out);

/* Release a sampler. NULL is allowed. */
MCP_API void mcp_sampler_destroy(mcp_sampler *sampler);

/* Lowest and highest temperature Θ at which the sampler is valid. */
MCP_API int mcp_sampler_theta_range(const mcp_sampler *sampler, double *lo, double *hi);

/*
 * Share of proposals that the sampler accepts at one temperature: computed, not sampled.
 * "gan", "gan-event" and "torch:*" accept everything (1); not for "exact-event", for which it
 * depends on the photon.
 */
MCP_API int mcp_sampler_acceptance(const mcp_sampler *sampler, double theta, double *acceptance);

/* Instruction set the sampler runs on: "avx512", "avx2" or "generic"; NULL for a bad handle. */
MCP_API const char *mcp_sampler_instruction_set(const mcp_sampler *sampler);

/*
 * Seed a random state. Streams of one seed are independent: give each thread (or each photon
 * batch) its own stream number. The sequence is the same on every machine.
 */
MCP_API int mcp_rng_seed(mcp_rng *rng, uint64_t seed, uint64_t stream);

/*
 * Draw n four-velocity magnitudes u (n doubles).
 * theta: n_theta doubles, where n_theta is 1 (one temperature for all draws) or n (one per draw).
 * Draws come in blocks of 16: one draw costs as much as sixteen, so ask for hundreds at a time.
 * The sequence depends on the sizes of the calls, not on the machine's vector width.
 */
MCP_API int mcp_sample_four_velocity(const mcp_sampler *sampler, mcp_rng *rng, size_t n,
                                     const double *theta, size_t n_theta, double *u);

/* The same as isotropic vectors: u3 holds n rows (ux, uy, uz). */
MCP_API int mcp_sample_four_velocity_vector(const mcp_sampler *sampler, mcp_rng *rng, size_t n,
                                            const double *theta, size_t n_theta, double *u3);

/*
 * Map latents to four-velocities with the caller's own random numbers: z3 holds n rows of three
 * independent standard normals, u3 receives n rows, parallel to those of z3. No random state.
 * Not for "rejection" and "gan-exact", which need an unknown number of random numbers.
 */
MCP_API int mcp_transform(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                          const double *z3, double *u3);

/*
 * Scatter n photons of energies x once off thermal electrons, for samplers of events.
 * x: energies before, 0 < x <= 1e4 (no subnormal numbers); x_out: energies afterwards; cosine: of
 * the angle between the two directions. The azimuth is uniform: draw it yourself.
 * theta: as above. None of the arrays may overlap another.
 * Events come in blocks of 16, and ask for hundreds at a time, too.
 */
MCP_API int mcp_scatter(const mcp_sampler *sampler, mcp_rng *rng, size_t n, const double *x,
                        const double *theta, size_t n_theta, double *x_out, double *cosine);

/*
 * Photon energies for which a sampler of events draws them itself. Outside of them mcp_scatter
 * draws exact events, which take longer.
 */
MCP_API int mcp_sampler_photon_range(const mcp_sampler *sampler, double *lo, double *hi);

/* What a status means, in general. Never NULL. */
MCP_API const char *mcp_strerror(int status);

/*
 * What went wrong in the last failed call of this thread: the value, the allowed range, the
 * remedy. Valid until the next failed call of the thread; "" if none failed.
 */
MCP_API const char *mcp_error_text(void);

/* Version of the library, and of the binary interface that this header describes. */
MCP_API const char *mcp_version(void);
MCP_API int mcp_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif
