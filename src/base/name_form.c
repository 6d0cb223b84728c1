#include "base/name_form.h"

#include <stddef.h>
#include <string.h>

#define TEXT_OF(n) #n
#define TEXT(n) TEXT_OF(n)
#define TOPIC_SIGNS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
#define TOPIC_TEXT "1 to " TEXT(MQ_TOPIC_NAME_MAX) " of A-Z a-z 0-9 - _ ."
#define TABLE_SIGNS "abcdefghijklmnopqrstuvwxyz0123456789-_."
#define TABLE_TEXT "1 to " TEXT(MQ_TABLE_NAME_MAX) " of a-z 0-9 - _ ."

static const struct {
    size_t most;
    const char *signs, *between, *text;
    bool or_none;
} forms[] = {
    [MQ_NAME_ANY] = {.text = "any text"},
    [MQ_NAME_TOPIC] = {MQ_TOPIC_NAME_MAX, TOPIC_SIGNS, "", TOPIC_TEXT, false},
    [MQ_NAME_TOPIC_OR_NONE] = {MQ_TOPIC_NAME_MAX, TOPIC_SIGNS, "", "nothing, or " TOPIC_TEXT, true},
    [MQ_NAME_FOLDER] = {.text = "one folder, 1 to " TEXT(MQ_FOLDER_NAME_MAX) " bytes"},
    [MQ_NAME_TABLE] = {MQ_TABLE_NAME_MAX, TABLE_SIGNS, "", TABLE_TEXT, false},
    [MQ_NAME_TABLES] = {MQ_TABLE_NAME_MAX, TABLE_SIGNS, "|", "names as a|b|c, each " TABLE_TEXT,
                        true},
};

static bool
is_folder(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size <= MQ_FOLDER_NAME_MAX && strchr(text, '/') == NULL &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

bool
mq_name_fits(enum mq_name_form form, const char *text)
{
    if (form == MQ_NAME_ANY)
        return true;
    if (form == MQ_NAME_FOLDER)
        return is_folder(text);
    bool fits = forms[form].or_none || *text != '\0';
    for (const char *p = text; fits && *p != '\0';) {
        size_t n = strspn(p, forms[form].signs);
        fits = n <= forms[form].most && (p[n] == '\0' || strchr(forms[form].between, p[n]) != NULL);
        p += n + (fits && p[n] != '\0');
    }
    return fits;
}

const char *
mq_name_form_text(enum mq_name_form form)
{
    return forms[form].text;
}
