#include "rec/reasons.h"

#include <string.h>

#include "base/memory.h"

static const char *const sentences[MQ_REASON_COUNT][MQ_LANGUAGE_COUNT] = {
    [MQ_REASON_CATEGORY] = {"Because you watched {title}: {value} too",
                            "因为您看过{title}：同为{value}"},
    [MQ_REASON_DIRECTOR] = {"Because you watched {title}: also directed by {value}",
                            "因为您看过{title}：同为{value}执导"},
    [MQ_REASON_ACTOR] = {"Because you watched {title}: also with {value}",
                         "因为您看过{title}：同有{value}出演"},
    [MQ_REASON_LANGUAGE] = {"Because you watched {title}: also {value}",
                            "因为您看过{title}：同为{value}"},
    [MQ_REASON_LEVEL] = {"Because you watched {title}: of the same level, {value}",
                         "因为您看过{title}：同为{value}级"},
    [MQ_REASON_YEAR] = {"Because you watched {title}: also from {value}",
                        "因为您看过{title}：同为{value}年作品"},
    [MQ_REASON_PORTRAIT_CATEGORY] = {"Because you like {value}, as in {title}",
                                     "因为您喜欢{value}，例如{title}"},
    [MQ_REASON_PORTRAIT_DIRECTOR] = {"Because you like films by {value}, as in {title}",
                                     "因为您喜欢{value}的作品，例如{title}"},
    [MQ_REASON_PORTRAIT_ACTOR] = {"Because you like to see {value}, as in {title}",
                                  "因为您喜欢{value}的表演，例如{title}"},
    [MQ_REASON_PORTRAIT_LANGUAGE] = {"Because you often watch {value}, as in {title}",
                                     "因为您常看{value}，例如{title}"},
    [MQ_REASON_PORTRAIT_UB] = {"Because you watched {title}: people who like the one like the "
                               "other",
                               "因为您看过{title}：喜欢它的人也喜欢这部"},
    [MQ_REASON_HEAT] = {"Because many watch it now", "因为最近很多人在看"},
    [MQ_REASON_NEW] = {"Because it is new in the catalogue", "因为是新上线的作品"},
    [MQ_REASON_TASTE] = {"Because it is near to what you watch", "因为与您的口味相近"},
    [MQ_REASON_DIVERSITY] = {"For a change: {value}", "换换口味：{value}"},
    [MQ_REASON_LIKED] = {"Because you liked {title}", "因为您喜欢{title}"},
    [MQ_REASON_CHOSEN_TOO] = {"Because you watched {title}: many who chose it chose this one too",
                              "因为您看过{title}：选它的人也选了这部"},
    [MQ_REASON_NEXT] = {"Because you watched {title}: many went on to this one",
                        "因为您看过{title}：很多人接着看了这部"},
    [MQ_REASON_CONTENT] = {"Because you watched {title}: it is like it, {value}",
                           "因为您看过{title}：两者相似，{value}"},
    [MQ_REASON_ALIKE] = {"Because you watched {title}: what is told of both is alike",
                         "因为您看过{title}：两者的介绍相近"},
    [MQ_REASON_AGREE] = {"{people} people who agree with you on {value} films or more rate it "
                         "{title}",
                         "{people}位与您在至少{value}部影片上看法一致的观众给它打{title}分"},
    [MQ_REASON_RATED] = {"Because {people} people rate it {title} on average",
                         "因为{people}位观众给它的平均分是{title}"},
    [MQ_REASON_TRENDING] = {"Because many rate it now", "因为最近很多人在评价它"},
    [MQ_REASON_SEEN] = {"You have watched it already", "您已经看过"},
    [MQ_REASON_TYPE] = {"It belongs to the other list: {value}", "它属于另一个列表：{value}"},
    [MQ_REASON_ABSENT] = {"It has left the catalogue", "它已不在片库中"},
    [MQ_REASON_NOT_YET] = {"It is not available yet: from {value}", "尚未上线：{value}起"},
    [MQ_REASON_EXPIRED] = {"Its licence ended: {value}", "授权已于{value}到期"},
    [MQ_REASON_TERRITORY] = {"It is not licensed in this territory, only in {value}",
                             "本地区无授权，仅限{value}"},
    [MQ_REASON_BAR_LEVEL] = {"Its maturity level is not shown here: {value}",
                             "分级不在允许范围内：{value}"},
    [MQ_REASON_NO_CHANNEL] = {"No recall channel took it: {value}", "没有召回通道选中它：{value}"},
    [MQ_REASON_NO_CHANNEL_AT_ALL] = {"No recall channel leads to it: it shares nothing with what "
                                     "you watched and has no vector",
                                     "没有召回通道能到达它"},
    [MQ_REASON_CUT] = {"Recalled, but cut: {value}", "已召回但被截断：{value}"},
    [MQ_REASON_BEYOND_LIST] = {"Ranked, but below the end of the list: {value}",
                               "已排序但在列表末尾之外：{value}"},
};

/* Append at most what fits; sizes were counted before. */
static char *
fill(char *at, const char *sentence, const struct mq_reason_words *words, size_t *size)
{
    const struct {
        const char *name, *text;
    } blanks[] = {
        {"{title}", words->title}, {"{value}", words->value}, {"{people}", words->people}};
    size_t used = 0;
    while (*sentence != '\0') {
        const char *text = sentence;
        size_t length = 1, skip = 1;
        for (size_t i = 0; i < MQ_COUNT(blanks) && *sentence == '{'; i++) {
            size_t name = strlen(blanks[i].name);
            if (strncmp(sentence, blanks[i].name, name) != 0)
                continue;
            text = blanks[i].text != NULL ? blanks[i].text : "";
            length = strlen(text);
            skip = name;
            break;
        }
        if (at != NULL)
            memcpy(at + used, text, length);
        used += length;
        sentence += skip;
    }
    *size = used;
    return at;
}

const char *
mq_reason_sentence(enum mq_reason reason, enum mq_language language,
                   const struct mq_reason_words *words, struct mq_arena *arena)
{
    const char *sentence = sentences[reason][language];
    size_t size;
    fill(NULL, sentence, words, &size);
    char *text = mq_arena_alloc(arena, size + 1);
    if (text == NULL)
        return NULL;
    text[size] = '\0';
    return fill(text, sentence, words, &size);
}

const char *
mq_reason_text(enum mq_reason reason, enum mq_language language, const char *title,
               const char *value, struct mq_arena *arena)
{
    return mq_reason_sentence(reason, language,
                              &(struct mq_reason_words){.title = title, .value = value}, arena);
}
