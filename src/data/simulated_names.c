#include "data/simulated_names.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const char *const adjectives[] = {
    "Silent",  "Golden", "Last",      "Broken",  "Hidden", "Northern", "Crimson", "Distant",
    "Second",  "Paper",  "Winter",    "Burning", "Lonely", "Electric", "Hollow",  "Gentle",
    "Seventh", "Wild",   "Forgotten", "Velvet",  "Bitter", "Endless",  "Secret",  "Blue"};
static const char *const nouns[] = {
    "Harbour",   "Garden",  "Letter",   "River",  "Witness",  "Orchard", "Lantern", "Station",
    "Mirror",    "Captain", "Summer",   "Bridge", "Empire",   "Shadow",  "Island",  "Promise",
    "Clock",     "Horizon", "Stranger", "Violin", "Mountain", "Code",    "Kitchen", "Planet",
    "Detective", "Parade",  "Tide",     "Castle", "Engine",   "Sparrow"};
static const char *const syllables[] = {"ka", "len", "mo",  "ri",  "sa", "dor", "vel", "ta",
                                        "ni", "ber", "lo",  "shi", "an", "mar", "is",  "tov",
                                        "el", "ga",  "rin", "hu",  "po", "zan", "we",  "mir"};
static const char *const chinese[] = {"风", "山", "月", "夜", "城", "海", "梦", "春", "花", "雪",
                                      "影", "星", "河", "天", "红", "白", "长", "归", "路", "心"};
static const char *const verbs[] = {"uncovers",   "loses",  "inherits", "must protect",
                                    "returns to", "steals", "rebuilds", "escapes"};

#define PICK(rng, list) ((list)[mq_rng_below((rng), (uint32_t)MQ_COUNT(list))])

void
mq_simulated_title(struct mq_rng *rng, bool in_chinese, char ret_text[MQ_SIMULATED_TEXT_SIZE])
{
    if (in_chinese) {
        uint32_t n = 2 + mq_rng_below(rng, 3);
        ret_text[0] = '\0';
        for (uint32_t i = 0; i < n; i++)
            strcat(ret_text, PICK(rng, chinese));
        return;
    }
    switch (mq_rng_below(rng, 5)) {
    case 0:
        snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "The %s %s", PICK(rng, adjectives),
                 PICK(rng, nouns));
        break;
    case 1:
        snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "%s and %s", PICK(rng, nouns), PICK(rng, nouns));
        break;
    case 2:
        snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "The %s of the %s %s", PICK(rng, nouns),
                 PICK(rng, adjectives), PICK(rng, nouns));
        break;
    case 3:
        snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "%s %s", PICK(rng, adjectives),
                 PICK(rng, nouns));
        break;
    default:
        snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "%s, %s", PICK(rng, nouns),
                 PICK(rng, adjectives));
    }
}

static void
add_word(struct mq_rng *rng, int count, char *text)
{
    size_t at = strlen(text);
    for (int i = 0; i < count; i++)
        strcat(text, PICK(rng, syllables));
    text[at] = (char)(text[at] - 'a' + 'A');
}

void
mq_simulated_person(uint64_t seed, uint32_t n, char ret_text[MQ_SIMULATED_TEXT_SIZE])
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed ^ UINT64_C(0x706572736f6e), n);
    ret_text[0] = '\0';
    add_word(&rng, 2, ret_text);
    strcat(ret_text, " ");
    add_word(&rng, 2 + (int)mq_rng_below(&rng, 2), ret_text);
}

void
mq_simulated_description(struct mq_rng *rng, const char *genre, const char *person,
                         char ret_text[MQ_SIMULATED_TEXT_SIZE])
{
    char name[MQ_SIMULATED_TEXT_SIZE] = "";
    add_word(rng, 2, name);
    snprintf(ret_text, MQ_SIMULATED_TEXT_SIZE, "%.40s %s the %s %s; %s by %.60s.", name,
             PICK(rng, verbs), PICK(rng, adjectives), PICK(rng, nouns), genre, person);
    for (char *p = strchr(ret_text, ';'); p != NULL && *p != '\0'; p++)
        if (*p == ' ' && p[1] >= 'A' && p[1] <= 'Z') {
            p[1] = (char)(p[1] - 'A' + 'a'); /* the genre within the sentence */
            break;
        }
}
