/* Files of trained weights in their C form. */
#ifndef MCP_WEIGHT_FILE_H
#define MCP_WEIGHT_FILE_H

#include <stddef.h>

/* A byte more than the longest has. */
extern const size_t mcp_room_for_weights;

/* The content of a file, or what fits into the room. Returns a mcp_status. */
int mcp_weight_file_content(const char *path, unsigned char *bytes, size_t room, size_t *size);

#endif
