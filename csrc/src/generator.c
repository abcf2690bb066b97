#include "generator.h"

#include <math.h>

void mcp_generator_fold(const thermal_map *map, double theta, folded_map *folded) {
    const size_t count = 3 * map->units + 1;
    folded->units = map->units;
    folded->theta = theta;
    for (size_t i = 0; i < count; i++)
        folded->parameters[i] = map->base[i];
    for (size_t k = 0; k < map->conditioning; k++) {
        const double saturation = theta / (theta + map->theta_scale[k]);
        for (size_t i = 0; i < count; i++)
            folded->parameters[i] += saturation * map->modulation[k][i];
    }
}

learned_part mcp_learned(const folded_map *folded, double radius) {
    const size_t n = folded->units;
    const double *s = folded->parameters;
    const double *o = s + n;
    const double *v = o + n;
    learned_part m = {v[n], 0.0, 0.0};
    for (size_t j = 0; j < n; j++) {
        const double a = s[j] * radius + o[j];
        const double inverse_square = 1.0 / (1.0 + a * a);
        const double inverse = sqrt(inverse_square);
        const double slope = v[j] * s[j] * inverse * inverse_square;
        m.value += v[j] * a * inverse;
        m.slope += slope;
        m.curvature -= 3.0 * s[j] * a * inverse_square * slope;
    }
    return m;
}
