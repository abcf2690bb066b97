/*
 * The C form of trained weights, all little-endian:
 *
 *   8 bytes   "MCPGAN\r\n"
 *   uint32    version (1), units n, conditioning k, reserved (0)
 *   uint64    length of the whole file
 *   float64   theta_lo, theta_hi, base[3n+1], modulation[k][3n+1], theta_scale[k]
 *   uint32    CRC-32 of everything before it
 */
#include "generator.h"
#include "status.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEADER 32
#define TRAILER 4
#define LONGEST                                                                                    \
    (HEADER + TRAILER +                                                                            \
     8 * (2 + (MCP_MAX_CONDITIONING + 1) * MCP_MAX_PARAMETERS + MCP_MAX_CONDITIONING))

/* Beyond this, single precision would overflow on the way. Trained weights are below 10. */
#define LARGEST_WEIGHT 1e6

static const unsigned char magic[8] = {'M', 'C', 'P', 'G', 'A', 'N', '\r', '\n'};

static uint64_t read_unsigned(const unsigned char *bytes, int width) {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static const unsigned char *read_doubles(const unsigned char *bytes, size_t count, double *to) {
    for (size_t i = 0; i < count; i++, bytes += 8) {
        const uint64_t bits = read_unsigned(bytes, 8);
        memcpy(&to[i], &bits, sizeof bits);
    }
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

static int all_usable(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs(values[i]) <= LARGEST_WEIGHT))
            return 0;
    return 1;
}

int mcp_generator_read(thermal_map *read, const unsigned char *bytes, size_t size,
                       const char *name) {
    if (size < HEADER + TRAILER || memcmp(bytes, magic, sizeof magic) != 0)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s holds no weights: write them with mcplugin export --format c", name);
    const uint64_t version = read_unsigned(bytes + 8, 4);
    if (version != 1)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s is of version %llu, this library reads 1: export the weights again",
                        name, (unsigned long long)version);
    const size_t n = (size_t)read_unsigned(bytes + 12, 4);
    const size_t k = (size_t)read_unsigned(bytes + 16, 4);
    if (read_unsigned(bytes + 20, 4) != 0)
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is damaged: a field that must be 0 is not", name);
    if (n < 1 || n > MCP_MAX_UNITS || k < 1 || k > MCP_MAX_CONDITIONING)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s has %zu units and %zu conditioning functions, 1 to %d and 1 to %d are "
                        "possible",
                        name, n, k, MCP_MAX_UNITS, MCP_MAX_CONDITIONING);
    const size_t count = 3 * n + 1;
    const size_t expected = HEADER + TRAILER + 8 * (2 + (k + 1) * count + k);
    const uint64_t stated = read_unsigned(bytes + 24, 8);
    if (size != expected || stated != expected)
        return mcp_fail(MCP_ERROR_WEIGHTS,
                        "%s is %zu bytes long and says %llu, not %zu: it was cut or extended", name,
                        size, (unsigned long long)stated, expected);
    if (crc32(bytes, size - TRAILER) != read_unsigned(bytes + size - TRAILER, 4))
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is damaged (CRC-32): export the weights again",
                        name);

    double range[2];
    memset(read, 0, sizeof *read);
    read->units = n;
    read->conditioning = k;
    bytes = read_doubles(bytes + HEADER, 2, range);
    bytes = read_doubles(bytes, count, read->base);
    int usable = all_usable(read->base, count);
    for (size_t i = 0; i < k; i++) {
        bytes = read_doubles(bytes, count, read->modulation[i]);
        usable = usable && all_usable(read->modulation[i], count);
    }
    read_doubles(bytes, k, read->theta_scale);
    for (size_t i = 0; i < k; i++)
        usable = usable && read->theta_scale[i] >= 1e-12 && read->theta_scale[i] <= 1e12;
    if (!usable)
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s holds numbers that no trained generator has", name);
    if (!(range[0] >= 1e-6 && range[0] <= range[1] && range[1] <= 1e6))
        return mcp_fail(MCP_ERROR_WEIGHTS, "%s is for theta = %g to %g, not within 1e-6 to 1e6",
                        name, range[0], range[1]);

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

int mcp_generator_read_file(thermal_map *read, const char *path) {
    unsigned char bytes[LONGEST + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return mcp_fail(MCP_ERROR_FILE, "cannot open the weights %s", path);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    const int failed = ferror(file);
    fclose(file);
    if (failed)
        return mcp_fail(MCP_ERROR_FILE, "cannot read the weights %s", path);
    return mcp_generator_read(read, bytes, size, path);
}
