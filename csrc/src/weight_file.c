/*
 * The C forms of trained weights, all little-endian. Of electrons:
 *
 *   8 bytes   "MCPGAN\r\n"
 *   uint32    version (1), units n, conditioning k, reserved (0)
 *   uint64    length of the whole file
 *   float64   theta_lo, theta_hi, base[3n+1], modulation[k][3n+1], theta_scale[k]
 *   uint32    CRC-32 of everything before it
 *
 * Of Compton events, whose networks of the cosine and the momentum have P numbers each:
 *
 *   8 bytes   "MCPEVT\r\n"
 *   uint32    version (1), units of the cosine, units of the momentum's first and second layer (0:
 *             there is none), conditioning k of the cosine and of the momentum
 *   uint64    length of the whole file
 *   float64   theta_lo, theta_hi, x_hi, and for each network base[P], modulation[k][P],
 *             root_theta_scale[k]
 *   uint32    CRC-32 of everything before it
 */
#include "weight_file.h"
#include "event_generator.h"
#include "generator.h"
#include "status.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAGIC_LENGTH 8
#define TRAILER 4

/* Of electrons: theta_lo and theta_hi, and then a map with n units and conditioning k. */
#define ELECTRON_HEADER 32
#define ELECTRON_NUMBERS(parameters, conditioning)                                                 \
    (2 + ((conditioning) + 1) * (parameters) + (conditioning))

/* Of events: theta_lo, theta_hi, x_hi, and then two networks. */
#define EVENT_HEADER 40
#define NETWORK_NUMBERS(parameters, conditioning)                                                  \
    (((conditioning) + 1) * (parameters) + (conditioning))

/* Beyond this, single precision would overflow on the way. Trained weights are below 1000. */
#define LARGEST_WEIGHT 1e6

/* The same for what networks of events give, and for logarithms l of scales: exp(l) is used. */
#define LARGEST_COSINE_OUTPUT 1e4
#define LARGEST_MOMENTUM_OUTPUT 1e3
#define LARGEST_LOG_SCALE 60.0

/* With two full networks a file of events is longer than any of electrons. */
const size_t mcp_room_for_weights =
    EVENT_HEADER + TRAILER +
    8 * (3 + 2 * NETWORK_NUMBERS(MCP_MAX_EVENT_PARAMETERS, MCP_MAX_EVENT_CONDITIONING)) + 1;

static uint64_t read_unsigned(const unsigned char *bytes, int width) {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static double read_double(const unsigned char *bytes) {
    const uint64_t bits = read_unsigned(bytes, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const unsigned char *read_doubles(const unsigned char *bytes, size_t count, double *to) {
    for (size_t i = 0; i < count; i++, bytes += 8)
        to[i] = read_double(bytes);
    return bytes;
}

static uint32_t crc32(const unsigned char *bytes, size_t size) {
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0U - (crc & 1U)));
    }
    return ~crc;
}

/* ---- What all forms have ---- */

/* Its beginning, up to the version, after which come `counts` sizes and the length. */
static int check_header(const unsigned char *bytes, size_t size, const char *magic, size_t counts,
                        const char *content, const char *name) {
    if (size < MAGIC_LENGTH + 4 + 4 * counts + 8 + TRAILER ||
        memcmp(bytes, magic, MAGIC_LENGTH) != 0)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s holds no weights of %s: write them with mcplugin export --format c",
                        name, content);
    const uint64_t version = read_unsigned(bytes + MAGIC_LENGTH, 4);
    if (version != 1)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s is of version %llu, this library reads 1: export the weights again",
                        name, (unsigned long long)version);
    return MCP_OK;
}

static size_t count_at(const unsigned char *bytes, size_t which) {
    return (size_t)read_unsigned(bytes + MAGIC_LENGTH + 4 + 4 * which, 4);
}

/* Its end: that there are as many numbers as the header says, and that none was altered. */
static int check_content(const unsigned char *bytes, size_t size, size_t header, size_t numbers,
                         const char *name) {
    const size_t expected = header + TRAILER + 8 * numbers;
    const uint64_t stated = read_unsigned(bytes + header - 8, 8);
    if (size != expected || stated != expected)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s is %zu bytes long and says %llu, not %zu: it was cut or extended", name,
                        size, (unsigned long long)stated, expected);
    if (crc32(bytes, size - TRAILER) != read_unsigned(bytes + size - TRAILER, 4))
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is damaged (CRC-32): export the weights again",
                        name);
    return MCP_OK;
}

static int is_usable(double value) { return fabs(value) <= LARGEST_WEIGHT; }

static int is_scale(double value) { return value >= 1e-12 && value <= 1e12; }

static int refuse_numbers(const char *name) {
    return mcp_fail(MCP_ERROR_WEIGHTS, "%s holds numbers that no trained generator has", name);
}

static int check_theta_range(const double range[2], double lowest, double highest,
                             const char *possible, const char *name) {
    return range[0] >= lowest && range[0] <= range[1] && range[1] <= highest
               ? MCP_OK
               : mcp_fail(MCP_ERROR_WEIGHTS, "%s is for theta = %g to %g, not within %s", name,
                          range[0], range[1], possible);
}

/* ---- Electrons ---- */

static int all_usable(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!is_usable(values[i]))
            return 0;
    return 1;
}

int mcp_generator_read(thermal_map *read, const unsigned char *bytes, size_t size,
                       const char *name) {
    int status = check_header(bytes, size, "MCPGAN\r\n", 3, "electrons", name);
    if (status != MCP_OK)
        return status;
    const size_t n = count_at(bytes, 0);
    const size_t k = count_at(bytes, 1);
    if (count_at(bytes, 2) != 0)
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is damaged: a field that must be 0 is not", name);
    if (n < 1 || n > MCP_MAX_UNITS || k < 1 || k > MCP_MAX_CONDITIONING)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s has %zu units and %zu conditioning functions, 1 to %d and 1 to %d are "
                        "possible",
                        name, n, k, MCP_MAX_UNITS, MCP_MAX_CONDITIONING);
    const size_t count = 3 * n + 1;
    status = check_content(bytes, size, ELECTRON_HEADER, ELECTRON_NUMBERS(count, k), name);
    if (status != MCP_OK)
        return status;

    double range[2];
    memset(read, 0, sizeof *read);
    read->units = n;
    read->conditioning = k;
    bytes = read_doubles(bytes + ELECTRON_HEADER, 2, range);
    bytes = read_doubles(bytes, count, read->base);
    int usable = all_usable(read->base, count);
    for (size_t i = 0; i < k; i++) {
        bytes = read_doubles(bytes, count, read->modulation[i]);
        usable = usable && all_usable(read->modulation[i], count);
    }
    read_doubles(bytes, k, read->theta_scale);
    for (size_t i = 0; i < k; i++)
        usable = usable && is_scale(read->theta_scale[i]);
    if (!usable)
        return refuse_numbers(name);
    status = check_theta_range(range, 1e-6, 1e6, "1e-6 to 1e6", name);
    if (status != MCP_OK)
        return status;

    read->theta_lo = range[0];
    read->theta_hi = range[1];
    for (size_t j = 0; j < count; j++) {
        read->base_single[j] = (float)read->base[j];
        for (size_t i = 0; i < k; i++)
            read->modulation_single[j][i] = (float)read->modulation[i][j];
    }
    for (size_t i = 0; i < k; i++)
        read->theta_scale_single[i] = (float)read->theta_scale[i];
    return MCP_OK;
}

/* ---- Events ---- */

/* Parameters in single precision, `step` apart; all must be usable. */
static const unsigned char *read_floats(const unsigned char *bytes, size_t count, float *to,
                                        size_t step, int *usable) {
    for (size_t i = 0; i < count; i++, bytes += 8) {
        const double value = read_double(bytes);
        *usable = *usable && is_usable(value);
        to[step * i] = (float)value;
    }
    return bytes;
}

/* How large a parameter can become at any temperature. */
static double largest(const event_network *network, size_t j) {
    double sum = fabs((double)network->base[j]);
    for (size_t k = 0; k < network->conditioning; k++)
        sum += fabs((double)network->modulation[j][k]);
    return sum;
}

/* Bounds of the output, where all hidden units are within -1 and 1, and of the scales. */
static int is_bounded(const event_network *network, double largest_output) {
    const network_layout at =
        mcp_network_layout(network->arguments, network->units[0], network->units[1]);
    double output = 0.0;
    for (size_t j = at.amplitudes; j < at.log_scales; j++)
        output += largest(network, j) * (j == at.skip ? MCP_MAX_NORMAL : 1.0);
    int bounded = output <= largest_output;
    for (size_t j = at.log_scales; j < at.size; j++)
        bounded = bounded && largest(network, j) <= LARGEST_LOG_SCALE;
    return bounded;
}

/* Gives NULL for numbers that no trained network has. */
static const unsigned char *read_network(event_network *read, const unsigned char *bytes,
                                         double largest_output) {
    const size_t size = mcp_network_layout(read->arguments, read->units[0], read->units[1]).size;
    int usable = 1;
    bytes = read_floats(bytes, size, read->base, 1, &usable);
    for (size_t k = 0; k < read->conditioning; k++)
        bytes =
            read_floats(bytes, size, &read->modulation[0][k], MCP_MAX_EVENT_CONDITIONING, &usable);
    for (size_t k = 0; k < read->conditioning; k++, bytes += 8) {
        usable = usable && is_scale(read_double(bytes));
        read->root_theta_scale[k] = (float)read_double(bytes);
    }
    return usable && is_bounded(read, largest_output) ? bytes : NULL;
}

static int is_within(size_t value, size_t least, size_t most) {
    return value >= least && value <= most;
}

static size_t numbers_of(const event_network *network) {
    return NETWORK_NUMBERS(
        mcp_network_layout(network->arguments, network->units[0], network->units[1]).size,
        network->conditioning);
}

int mcp_event_generator_read(event_generator *read, const unsigned char *bytes, size_t size,
                             const char *name) {
    int status = check_header(bytes, size, "MCPEVT\r\n", 5, "Compton events", name);
    if (status != MCP_OK)
        return status;
    size_t counts[5];
    for (size_t i = 0; i < 5; i++)
        counts[i] = count_at(bytes, i);
    if (!is_within(counts[0], 1, MCP_MAX_EVENT_UNITS) ||
        !is_within(counts[1], 1, MCP_MAX_EVENT_UNITS) ||
        !is_within(counts[2], 0, MCP_MAX_EVENT_UNITS) ||
        !is_within(counts[3], 1, MCP_MAX_EVENT_CONDITIONING) ||
        !is_within(counts[4], 1, MCP_MAX_EVENT_CONDITIONING))
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s has layers of %zu, %zu and %zu units, %zu and %zu conditioning "
                        "functions: up to %d and %d are possible",
                        name, counts[0], counts[1], counts[2], counts[3], counts[4],
                        MCP_MAX_EVENT_UNITS, MCP_MAX_EVENT_CONDITIONING);
    memset(read, 0, sizeof *read);
    read->cosine.arguments = MCP_COSINE_ARGUMENTS;
    read->cosine.units[0] = counts[0];
    read->cosine.conditioning = counts[3];
    read->momentum.arguments = MCP_MOMENTUM_ARGUMENTS;
    read->momentum.units[0] = counts[1];
    read->momentum.units[1] = counts[2];
    read->momentum.conditioning = counts[4];
    status = check_content(bytes, size, EVENT_HEADER,
                           3 + numbers_of(&read->cosine) + numbers_of(&read->momentum), name);
    if (status != MCP_OK)
        return status;

    double range[3];
    bytes = read_doubles(bytes + EVENT_HEADER, 3, range);
    bytes = read_network(&read->cosine, bytes, LARGEST_COSINE_OUTPUT);
    if (bytes == NULL || read_network(&read->momentum, bytes, LARGEST_MOMENTUM_OUTPUT) == NULL)
        return refuse_numbers(name);
    /* Where there are exact events, too. */
    status = check_theta_range(range, 1e-4, 1e2, "1e-4 to 100", name);
    if (status != MCP_OK)
        return status;
    if (!(range[2] >= 1e-12 && range[2] <= 100.0))
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is for x up to %g, not within 1e-12 to 100", name,
                        range[2]);
    read->theta_lo = range[0];
    read->theta_hi = range[1];
    read->x_hi = range[2];
    return MCP_OK;
}

/* ---- Files ---- */

int mcp_weight_file_content(const char *path, unsigned char *bytes, size_t room, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return mcp_fail(MCP_ERROR_FILE, "cannot open the weights %s", path);
    *size = fread(bytes, 1, room, file);
    const int failed = ferror(file);
    fclose(file);
    return failed ? mcp_fail(MCP_ERROR_FILE, "cannot read the weights %s", path) : MCP_OK;
}
