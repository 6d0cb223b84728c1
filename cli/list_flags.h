/** Flags that commands about lists have in common: initialisers of struct mq_flag. */
#ifndef MQ_CLI_LIST_FLAGS_H
#define MQ_CLI_LIST_FLAGS_H

#include "cli/command.h"
#include "model/hybrid.h"

#define MQ_FLAG_METHOD(default_method, what)                                                       \
    {                                                                                              \
        .name = "--method", .type = MQ_FLAG_TEXT, .placeholder = "METHOD",                         \
        .choices = MQ_METHOD_CHOICES, .default_text = default_method, .help = what                 \
    }
#define MQ_FLAG_ENTRIES(n, what)                                                                   \
    {                                                                                              \
        .name = "--n", .type = MQ_FLAG_INT, .placeholder = "N", .default_text = n, .min = 1,       \
        .max = 100000, .help = what                                                                \
    }
#define MQ_FLAG_PROGRAM_TYPE                                                                       \
    {                                                                                              \
        .name = "--type", .type = MQ_FLAG_TEXT, .placeholder = "TYPE", .choices = "movie|tv",      \
        .default_text = "movie", .help = "films or series"                                         \
    }
#define MQ_FLAG_LANGUAGE                                                                           \
    {                                                                                              \
        .name = "--language", .type = MQ_FLAG_TEXT, .placeholder = "LANG", .choices = "en|zh",     \
        .default_text = "en", .help = "of the sentences"                                           \
    }

#endif
