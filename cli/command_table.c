#include "cli/command_table.h"

#include <stdint.h>
#include <string.h>

#include "base/edit_distance.h"
#include "base/memory.h"

#define COMMAND(suffix) extern const struct mq_command mq_command_##suffix;
#include "cli/commands.def"
#undef COMMAND

static const struct mq_command *const table[] = {
#define COMMAND(suffix) &mq_command_##suffix,
#include "cli/commands.def"
#undef COMMAND
};

const struct mq_flag mq_global_flags[] = {
    {.name = "--store",
     .type = MQ_FLAG_TEXT,
     .placeholder = "URI",
     .option = "store.uri",
     .help = "where objects live: file:PATH, or s3://bucket/prefix"},
    {.name = "--region",
     .type = MQ_FLAG_TEXT,
     .placeholder = "NAME",
     .option = "store.region",
     .help = "the catalogue's region, first folder below the store"},
    {.name = "--config",
     .type = MQ_FLAG_TEXT,
     .placeholder = "FILE",
     .help = "settings file instead of ./marquee.yaml"},
    {.name = "--set",
     .type = MQ_FLAG_TEXT,
     .repeatable = true,
     .placeholder = "SECTION.KEY=VALUE",
     .help = "set any option; see marquee config --explain"},
    {.name = "--threads",
     .type = MQ_FLAG_INT,
     .placeholder = "N",
     .option = "run.threads",
     .max = MQ_POOL_THREADS_MAX,
     .help = "worker threads; 0: one a processor"},
    {.name = "--seed",
     .type = MQ_FLAG_INT,
     .placeholder = "N",
     .option = "run.seed",
     .max = 9223372036854775807.0,
     .help = "seed of every random choice"},
    {.name = "--json", .help = "print JSON instead of text; errors and log lines too"},
    {.name = "--quiet",
     .letter = 'q',
     .help = "nothing but what was asked for: no progress, no step lines, no log below warnings"},
    {.name = "--verbose", .letter = 'v', .help = "log more"},
    {.name = "--help", .letter = 'h', .help = "show this help"},
    {0},
};

const struct mq_command *const *
mq_command_table(size_t *ret_count)
{
    *ret_count = MQ_COUNT(table);
    return table;
}

const struct mq_command *
mq_command_find(const char *name)
{
    for (size_t i = 0; i < MQ_COUNT(table); i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

static bool
in_group(const struct mq_command *command, const char *group)
{
    size_t size = strlen(group);
    return strncmp(command->name, group, size) == 0 && command->name[size] == ' ';
}

bool
mq_command_is_group(const char *word)
{
    for (size_t i = 0; i < MQ_COUNT(table); i++)
        if (in_group(table[i], word))
            return true;
    return false;
}

const struct mq_command *
mq_command_group_default(const char *group)
{
    for (size_t i = 0; i < MQ_COUNT(table); i++)
        if (table[i]->is_group_default && in_group(table[i], group))
            return table[i];
    return NULL;
}

static const struct mq_flag *
find_flag(const struct mq_flag *flags, const char *name, char letter)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++)
        if (name != NULL ? strcmp(f->name, name) == 0 : f->letter == letter)
            return f;
    return NULL;
}

const struct mq_flag *
mq_command_flag(const struct mq_command *command, const char *name)
{
    const struct mq_flag *flag = command != NULL ? find_flag(command->flags, name, '\0') : NULL;
    return flag != NULL ? flag : find_flag(mq_global_flags, name, '\0');
}

const struct mq_flag *
mq_command_flag_letter(const struct mq_command *command, char letter)
{
    if (letter == '\0')
        return NULL;
    const struct mq_flag *flag = command != NULL ? find_flag(command->flags, NULL, letter) : NULL;
    return flag != NULL ? flag : find_flag(mq_global_flags, NULL, letter);
}

const char *
mq_command_nearest(const char *name)
{
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 1 + (strlen(name) < 5); /* further away is no help */
    for (size_t i = 0; i < MQ_COUNT(table); i++) {
        if (table[i]->is_hidden)
            continue;
        size_t d = mq_edit_distance(name, table[i]->name);
        if (d < least) {
            least = d;
            best = table[i]->name;
        }
    }
    return best;
}

const char *
mq_command_nearest_flag(const struct mq_command *command, const char *name)
{
    const struct mq_flag *lists[] = {command != NULL ? command->flags : NULL, mq_global_flags};
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 1; /* further away is no help */
    for (size_t l = 0; l < MQ_COUNT(lists); l++) {
        for (const struct mq_flag *f = lists[l]; f != NULL && f->name != NULL; f++) {
            size_t d = mq_edit_distance(name, f->name);
            if (d < least) {
                least = d;
                best = f->name;
            }
        }
    }
    return best;
}
