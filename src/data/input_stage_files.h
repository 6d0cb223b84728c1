/**
 * The files of an input while they are staged: what input_stage.c (begin, publish),
 * input_stage_files.c (files) and input_rows.c (their lines) share. Threads: as data/input_stage.h.
 */
#ifndef MQ_DATA_INPUT_STAGE_FILES_H
#define MQ_DATA_INPUT_STAGE_FILES_H

#include "base/arena.h"
#include "base/buffer.h"
#include "data/input_stage.h"
#include "format/xlsx.h"

/** A file being staged. */
struct mq_input_file {
    struct mq_writer *out; /**< NULL: none open */
    char path[512];        /**< below the region's folder */
};

/** A staged file: one flat folder holds them, since making trees twice costs more than the data. */
struct mq_staged_file {
    const char *path; /* below the region's folder; in names */
    size_t number;
};

struct mq_input_stage {
    struct mq_object_store *store;
    char *region, *source, *folder;
    struct mq_input_options options;
    unsigned owned; /* MQ_INPUT_… of what is an import's afterwards */
    struct mq_input_summary summary;
    struct mq_input_file logs[2], basic, users, expand;
    struct mq_xlsx_writer *sheet;
    int64_t sheet_rows, sheets;
    int64_t day; /* of the open logs */
    struct mq_buffer line;
    struct mq_arena names;
    /* Finished and open files; number n is staged as "<folder>/<n>". */
    struct mq_staged_file *files;
    size_t file_count, file_capacity;
};

/** Begin to write file->path, packed where it ends in ".gz". Without
 * sync: publishing does that. */
enum mq_status mq_input_open_file(struct mq_input_stage *stage, struct mq_input_file *file,
                                  struct mq_error *err);

/** Finish a file and count it; one that is not open is left alone. */
enum mq_status mq_input_close_file(struct mq_input_stage *stage, struct mq_input_file *file,
                                   struct mq_error *err);

/** Finish the open expand sheet with its file, if there is one. */
enum mq_status mq_input_end_sheet(struct mq_input_stage *stage, struct mq_error *err);

#endif
