/* What fuzz targets need to put a file of weights right: its checksum and its integers. */
#ifndef MCP_FUZZ_C_FORM_H
#define MCP_FUZZ_C_FORM_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the checksum at the end. */
#define TRAILER 4

static inline void put_unsigned(uint8_t *to, uint64_t value, int width) {
    for (int i = 0; i < width; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static inline uint32_t crc32(const uint8_t *bytes, size_t size) {
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0U - (crc & 1U)));
    }
    return ~crc;
}

#endif
