/* Runs a fuzz target on the files of a corpus, for compilers without libFuzzer. */
#include "expect.h"

#define LARGEST 1000000

int main(int count, char **words) {
    static uint8_t content[LARGEST];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(words[i], "rb");
        if (file == NULL) {
            perror(words[i]);
            return 2;
        }
        const size_t size = fread(content, 1, sizeof content, file);
        fclose(file);
        /* Memory of exactly this size, in which a sanitizer sees every step beside it. */
        uint8_t *data = malloc(size);
        EXPECT(data != NULL || size == 0);
        for (size_t byte = 0; byte < size; byte++)
            data[byte] = content[byte];
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    printf("%d inputs replayed\n", count - 1);
    return 0;
}
