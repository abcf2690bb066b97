#include "exact.h"
#include "status.h"

#define PI 3.14159265358979323846
#define SQRT_TWO_OVER_PI 0.797884560802865355880

/* Intervals of r in which extrema of the ratio are searched. */
#define INTERVALS 320

/* Slopes of hidden units times the interval: what varies faster could hide between two of them. */
#define STEEPEST 0.25

/* About the inverse of the least acceptance. */
#define LARGEST_BOUND 100.0

/* ---- Densities ---- */

/*
 * Ratios are taken relative to this, which keeps them close to 1 at any temperature: the integral
 * of u² exp(-(γ-1)/Θ) is √(π/2) Θ^(3/2) when cold and 2 Θ³ when hot.
 */
static double scale(double theta) {
    const double product = theta * (1.0 + 1.366 * theta);
    return product * sqrt(product);
}

/* The density of a latent radius that is wanted, relative to the one that it is drawn with. */
typedef struct density_ratio {
    double value; /* f(u(r)) du/dr over χ₃(r); negative where u falls with r */
    double slope; /* of its logarithm */
    double u;
} density_ratio;

static density_ratio ratio_at(const folded_map *folded, double radius) {
    const double theta = folded->theta;
    const learned_part m = mcp_learned(folded, radius);
    const double half_square = 0.5 * radius * radius;
    const double cross = m.value * m.slope;
    /* (u/r)², and u (du/dr)/r: half the derivative of u², over r. */
    const double gain = theta * (1.0 + theta * (0.5 * half_square + m.value * m.value));
    const double growth =
        theta * (1.0 + theta * (half_square + m.value * m.value + cross * radius));
    const double gain_slope = theta * theta * (0.5 * radius + 2.0 * cross);
    const double growth_slope =
        theta * theta *
        (radius + 3.0 * cross + radius * (m.slope * m.slope + m.value * m.curvature));
    const double u = radius * sqrt(gain);
    const double gamma = sqrt(1.0 + u * u);
    const double t = u * u / (theta * (1.0 + gamma));
    return (density_ratio){
        .value = sqrt(gain) * growth * exp(half_square - t) / scale(theta),
        .slope = 0.5 * gain_slope / gain + growth_slope / growth + radius -
                 radius * growth / (theta * gamma),
        .u = u,
    };
}

/* Probability of r > radius for a 3-D standard normal. */
static double probability_beyond(double radius) {
    return erfc(radius * sqrt(0.5)) + SQRT_TWO_OVER_PI * radius * exp(-0.5 * radius * radius);
}

/* ---- The tail: t = t₀ + exponential of a rate below 1 ---- */

typedef struct tail {
    double theta;
    double start;
    double rate;
    double constant;
} tail;

static double gamma_at(double theta, double t) { return 1.0 + theta * t; }

static double four_velocity_at(double theta, double t) {
    return sqrt(theta * t * (2.0 + theta * t));
}

/* d ln(uγ)/dt, which falls with t. */
static double steepness(double theta, double t) {
    const double u = four_velocity_at(theta, t);
    const double gamma = gamma_at(theta, t);
    return theta * (gamma / (u * u) + 1.0 / gamma);
}

static tail tail_beyond(const folded_map *folded, double radius) {
    const double theta = folded->theta;
    const double u = ratio_at(folded, radius).u;
    tail beyond = {.theta = theta, .start = u * u / (theta * (1.0 + sqrt(1.0 + u * u)))};
    beyond.rate = fmax(1.0 - steepness(theta, beyond.start), 0.5);
    /* u² du = Θ u γ dt. */
    beyond.constant = SQRT_TWO_OVER_PI * theta * exp(-beyond.start) /
                      (scale(theta) * beyond.rate * probability_beyond(radius));
    return beyond;
}

static double tail_ratio(const tail *beyond, double t) {
    return beyond->constant * four_velocity_at(beyond->theta, t) * gamma_at(beyond->theta, t) *
           exp(-(1.0 - beyond->rate) * (t - beyond->start));
}

/* The ratio has one maximum: at the start, or where uγ grows as fast as the exponential falls. */
static double largest_tail_ratio(const tail *beyond) {
    double low = beyond->start;
    double high = low + 8.0;
    if (steepness(beyond->theta, low) <= 1.0 - beyond->rate)
        high = low;
    for (int halving = 0; halving < 60 && low < high; halving++) {
        const double middle = 0.5 * (low + high);
        if (steepness(beyond->theta, middle) > 1.0 - beyond->rate)
            low = middle;
        else
            high = middle;
    }
    return tail_ratio(beyond, low) * (1.0 + 1e-9);
}

/* ---- The envelope ---- */

typedef struct extrema {
    double lowest;
    double highest;
} extrema;

/* The ratio where its slope changes sign between two radii. */
static double turning_point(const folded_map *folded, double low, double high,
                            double slope_at_low) {
    density_ratio middle = {0.0, 0.0, 0.0};
    for (int halving = 0; halving < 12; halving++) {
        const double radius = 0.5 * (low + high);
        middle = ratio_at(folded, radius);
        if ((middle.slope > 0.0) == (slope_at_low > 0.0))
            low = radius;
        else
            high = radius;
    }
    return middle.value;
}

/* Extrema over 0 <= r <= r_tail: at turning points and ends; and over the tail. */
static extrema extrema_over_radius(const folded_map *folded, double tail_radius) {
    const double step = tail_radius / INTERVALS;
    density_ratio before = ratio_at(folded, 0.0);
    extrema found = {before.value, before.value};
    for (int k = 1; k <= INTERVALS; k++) {
        const density_ratio here = ratio_at(folded, k * step);
        double turning = here.value;
        if ((before.slope > 0.0) != (here.slope > 0.0))
            turning = turning_point(folded, (k - 1) * step, k * step, before.slope);
        found.lowest = fmin(found.lowest, fmin(here.value, turning));
        found.highest = fmax(found.highest, fmax(here.value, turning));
        before = here;
    }
    const tail beyond = tail_beyond(folded, tail_radius);
    found.highest = fmax(found.highest, largest_tail_ratio(&beyond));
    return found;
}

static double theta_of_leading_bits(uint64_t leading) {
    const uint64_t bits = leading << MCP_CELL_SHIFT;
    double theta;
    memcpy(&theta, &bits, sizeof theta);
    return theta;
}

/* How far a parabola through three equidistant points goes beyond them is an eighth of this. */
static double bend(double start, double middle, double end) {
    return fabs(start - 2.0 * middle + end);
}

/*
 * Extrema over a cell of temperatures, within which they change little and smoothly: those at its
 * start, middle and end, widened by twice of what a parabola would need.
 */
static extrema extrema_over_cell(const extrema at[3]) {
    const double up = bend(at[0].highest, at[1].highest, at[2].highest);
    const double down = bend(at[0].lowest, at[1].lowest, at[2].lowest);
    return (extrema){fmin(at[0].lowest, fmin(at[1].lowest, at[2].lowest)) - 0.25 * down,
                     fmax(at[0].highest, fmax(at[1].highest, at[2].highest)) + 0.25 * up};
}

static int is_smooth(const folded_map *folded, double tail_radius) {
    for (size_t j = 0; j < folded->units; j++)
        if (fabs(folded->parameters[j]) * tail_radius > STEEPEST * INTERVALS)
            return 0;
    return 1;
}

int mcp_envelope_build(exact_envelope *envelope, const thermal_map *map, double tail_radius,
                       const char *name) {
    envelope->tail_radius = tail_radius;
    envelope->first_cell = mcp_leading_bits(map->theta_lo);
    const size_t cells = mcp_cell(envelope, map->theta_hi) + 1;
    extrema at[3];
    for (size_t cell = 0; cell < cells; cell++) {
        const double start = theta_of_leading_bits(envelope->first_cell + cell);
        const double end = theta_of_leading_bits(envelope->first_cell + cell + 1);
        for (int place = 0; place < 3; place++) {
            if (place == 0 && cell > 0) {
                at[0] = at[2];
                continue;
            }
            const double theta =
                fmin(fmax(start + 0.5 * place * (end - start), map->theta_lo), map->theta_hi);
            folded_map folded;
            mcp_generator_fold(map, theta, &folded);
            if (!is_smooth(&folded, tail_radius))
                return mcp_fail(MCP_ERROR_WEIGHTS,
                                "%s is too rough at theta = %g to be made exact: a unit's slope "
                                "exceeds %g",
                                name, theta, STEEPEST * INTERVALS / tail_radius);
            at[place] = extrema_over_radius(&folded, tail_radius);
            if (!(at[place].lowest > 0.0 && at[place].highest < HUGE_VAL))
                return mcp_fail(MCP_ERROR_WEIGHTS,
                                "%s gives a four-velocity that falls with the latent radius at "
                                "theta = %g: it cannot be made exact",
                                name, theta);
            if (at[place].highest > LARGEST_BOUND)
                return mcp_fail(MCP_ERROR_WEIGHTS,
                                "%s is so far from exact at theta = %g that less than one draw in "
                                "%g would be accepted: train it further",
                                name, theta, LARGEST_BOUND);
        }
        const extrema over = extrema_over_cell(at);
        envelope->bound[cell] = over.highest;
        envelope->squeeze[cell] = fmax(over.lowest, 0.0) / over.highest;
    }
    return MCP_OK;
}

/* ---- Draws ---- */

/* A new proposal, drawn as the kernels do. */
static proposal propose(const folded_map *folded, generator_state random) {
    const uint64_t one = next_bits(random);
    const uint64_t two = next_bits(random);
    const double product = ((double)(one >> 24) + 0.5) * 0x1p-40 * ((double)(two >> 24) + 0.5);
    const double v = ((double)(one & 0xFFFFFF) + 0.5) * 0x1p-24;
    const double sine = sin(PI * (((double)(two & 0xFFFFFF) + 0.5) * 0x1p-24 - 0.5));
    proposal drawn;
    drawn.radius_square = -2.0 * log(product * 0x1p-40) * (v + (1.0 - v) * sine * sine);
    drawn.u = ratio_at(folded, sqrt(drawn.radius_square)).u;
    drawn.threshold = uniform(random);
    return drawn;
}

double mcp_settle(const exact_envelope *envelope, const folded_map *folded, proposal candidate,
                  generator_state random) {
    const double bound = envelope->bound[mcp_cell(envelope, folded->theta)];
    const double tail_square = envelope->tail_radius * envelope->tail_radius;
    for (;; candidate = propose(folded, random)) {
        if (candidate.radius_square <= tail_square) {
            const density_ratio ratio = ratio_at(folded, sqrt(candidate.radius_square));
            if (candidate.threshold * bound <= ratio.value)
                return candidate.u;
        } else {
            const tail beyond = tail_beyond(folded, envelope->tail_radius);
            const double t = beyond.start - log(uniform(random)) / beyond.rate;
            if (candidate.threshold * bound <= tail_ratio(&beyond, t))
                return four_velocity_at(folded->theta, t);
        }
    }
}

double mcp_exact_acceptance(const exact_envelope *envelope, const folded_map *folded) {
    /* Simpson's rule for ∫ χ₃ ratio dr. */
    const int intervals = 2 * INTERVALS;
    const double step = envelope->tail_radius / intervals;
    double sum = 0.0;
    for (int k = 0; k <= intervals; k++) {
        const double r = k * step;
        const double weight = k == 0 || k == intervals ? 1.0 : k % 2 == 1 ? 4.0 : 2.0;
        sum += weight * r * r * exp(-0.5 * r * r) * ratio_at(folded, r).value;
    }
    /* The midpoint rule for the mean ratio of the tail's proposals. */
    const tail beyond = tail_beyond(folded, envelope->tail_radius);
    double tail_mean = 0.0;
    for (int k = 0; k < INTERVALS; k++)
        tail_mean += tail_ratio(&beyond, beyond.start - log((k + 0.5) / INTERVALS) / beyond.rate);
    const double tail_share = probability_beyond(envelope->tail_radius) * tail_mean / INTERVALS;
    return (SQRT_TWO_OVER_PI * sum * step / 3.0 + tail_share) /
           envelope->bound[mcp_cell(envelope, folded->theta)];
}
