/*
 * Runs a fuzz target over the files of its committed corpus, so that what fuzzing found once is an
 * ordinary test. With libFuzzer (option fuzz=true) this file is not linked.
 *
 *   fuzz_NAME FILE-OR-FOLDER…
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long inputs;

static int
replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    struct stat info;
    if (fstat(fileno(file), &info) != 0) {
        fclose(file);
        return 1;
    }
    size_t size = (size_t)info.st_size;
    /* An exact block, so that the address sanitizer sees a read past its end. */
    uint8_t *bytes = malloc(size ? size : 1);
    int failed = bytes == NULL || fread(bytes, 1, size, file) != size;
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
    } else {
        LLVMFuzzerTestOneInput(bytes, size);
        printf("ok: %s\n", path);
        inputs++;
    }
    free(bytes);
    return failed;
}

static int
replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode))
        return replay_file(path);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char child[4096];
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        failed |= replay(child);
    }
    closedir(folder);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%ld inputs replayed\n", inputs);
    return failed || inputs == 0;
}
