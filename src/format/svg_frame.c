#include "format/svg_frame.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "format/utf8.h"

/* Places of the legend. */
#define LEGEND_LINE 20.0
#define LEGEND_SWATCH 18.0
#define LEGEND_GAP 18.0
/* Narrowest range of an axis, so that steps keep their digits. */
#define RANGE_MIN 1e-9

void
mq_svg_axis_round(struct mq_svg_axis *axis, double low, double high, double from, double to,
                  int ticks)
{
    double least = MQ_MAX(RANGE_MIN, 1e-9 * MQ_MAX(fabs(low), fabs(high)));
    if (high - low < least) {
        double half = low == 0 && high == 0 ? 0.5 : MQ_MAX(fabs(high) / 2, least);
        low -= low >= 0 && low < half ? low : half;
        high += half;
    }
    double raw = (high - low) / ticks, power = floor(log10(raw));
    double scale = pow(10, power), lead = raw / scale;
    double round = lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10;
    double step = round * scale;
    *axis = (struct mq_svg_axis){.low = step * floor(low / step + 1e-6),
                                 .high = step * ceil(high / step - 1e-6),
                                 .from = from,
                                 .to = to,
                                 .step = step,
                                 .unit = 1,
                                 .power = ""};
    static const struct {
        double unit;
        const char *power;
    } units[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
    double most = MQ_MAX(fabs(axis->low), fabs(axis->high));
    for (size_t i = 0; i < MQ_COUNT(units) && most >= 1e4; i++)
        if (most >= units[i].unit) {
            axis->unit = units[i].unit;
            axis->power = units[i].power;
            break;
        }
    double digits = -floor(log10(step / axis->unit) + 1e-6);
    axis->decimals = digits > 0 ? (int)digits : 0;
}

double
mq_svg_place(const struct mq_svg_axis *axis, double value)
{
    return axis->from + (value - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}

int
mq_svg_tick_count(const struct mq_svg_axis *axis)
{
    return (int)((axis->high - axis->low) / axis->step + 0.5) + 1;
}

double
mq_svg_tick(const struct mq_svg_axis *axis, int number)
{
    return axis->low + number * axis->step;
}

void
mq_svg_tick_text(struct mq_markup *markup, const struct mq_svg_axis *axis, double value)
{
    mq_markup_fixed(markup, value / axis->unit, axis->decimals);
    if (fabs(value) > axis->step / 2)
        mq_markup_raw(markup, axis->power);
}

/* A character's width in a proportional font of 12 units, on the safe side. */
static double
character_width(const char *text, size_t length)
{
    if (length >= 3) /* from U+0800: most of what is written there is square */
        return 12.5;
    return strchr("ijl.,:;'|!ftI ()[]-", text[0]) != NULL     ? 4.6
           : strchr("mwMWABCDGHNOQRUVXYZ@%", text[0]) != NULL ? 9.6
                                                              : 7.2;
}

/* Bytes of the longest beginning that fits. */
static size_t
fitting(const char *text, double width, double *ret_width)
{
    size_t size = strlen(text), at = 0;
    double used = 0;
    while (at < size) {
        size_t length = mq_utf8_character(text + at, size - at);
        double next = used + character_width(text + at, length);
        if (width > 0 && next > width)
            break;
        used = next;
        at += MQ_MAX(length, (size_t)1);
    }
    *ret_width = used;
    return at;
}

double
mq_svg_text_width(const char *text)
{
    double width;
    fitting(text, 0, &width);
    return width;
}

void
mq_svg_attribute(struct mq_markup *markup, const char *name, double value)
{
    mq_markup_rawf(markup, " %s=\"", name);
    mq_markup_fixed(markup, value, 1);
    mq_markup_raw(markup, "\"");
}

void
mq_svg_text(struct mq_markup *markup, double x, double y, const char *anchor, const char *text,
            double width)
{
    double used;
    size_t whole = strlen(text), size = fitting(text, width, &used);
    if (size < whole) /* room for the sign of the cut */
        size = fitting(text, MQ_MAX(width - 12, 1), &used);
    mq_markup_raw(markup, "<text");
    mq_svg_attribute(markup, "x", x);
    mq_svg_attribute(markup, "y", y);
    if (strcmp(anchor, "start") != 0)
        mq_markup_rawf(markup, " text-anchor=\"%s\"", anchor);
    mq_markup_raw(markup, ">");
    mq_markup_bytes(markup, text, size);
    mq_markup_raw(markup, size < whole ? "\xe2\x80\xa6</text>\n" : "</text>\n");
}

void
mq_svg_rule(struct mq_markup *markup, const char *class, double x1, double y1, double x2, double y2)
{
    mq_markup_rawf(markup, "<line class=\"%s\"", class);
    mq_svg_attribute(markup, "x1", x1);
    mq_svg_attribute(markup, "y1", y1);
    mq_svg_attribute(markup, "x2", x2);
    mq_svg_attribute(markup, "y2", y2);
    mq_markup_raw(markup, "/>\n");
}

void
mq_svg_open(struct mq_markup *markup, const struct mq_svg_head *head, double height)
{
    int n = head->number;
    mq_markup_rawf(markup,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 %d %d\" "
                   "role=\"img\" aria-labelledby=\"plot-%d-title plot-%d-text\">\n"
                   "<title id=\"plot-%d-title\">",
                   (int)MQ_SVG_WIDTH, (int)ceil(height), n, n, n);
    mq_markup_text(markup, head->title);
    mq_markup_rawf(markup, "</title>\n<desc id=\"plot-%d-text\">", n);
    mq_markup_text(markup, head->description != NULL ? head->description : head->title);
    mq_markup_raw(markup, "</desc>\n");
}

void
mq_svg_close(struct mq_markup *markup)
{
    mq_markup_raw(markup, "</svg>\n");
}

/* Places of the legend's entries, line by line. @return lines */
static int
place_legend(const char *const *series, int count, double left, double *ret_x, int *ret_line)
{
    double x = left;
    int line = 0;
    for (int s = 0; s < count; s++) {
        double width = LEGEND_SWATCH + 6 + MQ_MIN(mq_svg_text_width(series[s]), 220.0);
        if (x > left && x + width > MQ_SVG_WIDTH) {
            x = left;
            line++;
        }
        ret_x[s] = x;
        ret_line[s] = line;
        x += width + LEGEND_GAP;
    }
    return line + 1;
}

double
mq_svg_legend_height(const char *const *series, int count, double left)
{
    double x[MQ_SVG_SERIES_MAX];
    int line[MQ_SVG_SERIES_MAX];
    return count > 1 ? place_legend(series, count, left, x, line) * LEGEND_LINE + 4 : 0;
}

void
mq_svg_legend(struct mq_markup *markup, const char *const *series, int count, double left)
{
    double x[MQ_SVG_SERIES_MAX];
    int line[MQ_SVG_SERIES_MAX];
    if (count < 2)
        return;
    place_legend(series, count, left, x, line);
    for (int s = 0; s < count; s++) {
        double y = line[s] * LEGEND_LINE + 9;
        mq_markup_rawf(markup, "<rect class=\"swatch s%d\"", s);
        mq_svg_attribute(markup, "x", x[s]);
        mq_svg_attribute(markup, "y", y - 5);
        mq_svg_attribute(markup, "width", LEGEND_SWATCH);
        mq_svg_attribute(markup, "height", 10);
        mq_markup_raw(markup, " rx=\"2\"/>\n");
        mq_svg_text(markup, x[s] + LEGEND_SWATCH + 6, y + 4, "start", series[s], 220);
    }
}

void
mq_svg_frame_left(struct mq_markup *markup, const struct mq_svg_frame *frame)
{
    for (int i = 0; i < mq_svg_tick_count(&frame->y); i++) {
        double y = mq_svg_place(&frame->y, mq_svg_tick(&frame->y, i));
        mq_svg_rule(markup, i == 0 ? "axis" : "grid", frame->left, y, frame->right, y);
        mq_markup_raw(markup, "<text");
        mq_svg_attribute(markup, "x", frame->left - 8);
        mq_svg_attribute(markup, "y", y + 4);
        mq_markup_raw(markup, " text-anchor=\"end\">");
        mq_svg_tick_text(markup, &frame->y, mq_svg_tick(&frame->y, i));
        mq_markup_raw(markup, "</text>\n");
    }
    if (frame->y_name != NULL)
        mq_svg_text(markup, frame->left, frame->top - 12, "start", frame->y_name,
                    frame->right - frame->left);
}

static void
lower_name(struct mq_markup *markup, const struct mq_svg_frame *frame)
{
    if (frame->x_name != NULL)
        mq_svg_text(markup, (frame->left + frame->right) / 2, frame->bottom + 38, "middle",
                    frame->x_name, frame->right - frame->left);
}

void
mq_svg_frame_lower(struct mq_markup *markup, const struct mq_svg_frame *frame)
{
    for (int i = 0; i < mq_svg_tick_count(&frame->x); i++) {
        double x = mq_svg_place(&frame->x, mq_svg_tick(&frame->x, i));
        mq_svg_rule(markup, "grid", x, frame->top, x, frame->bottom);
        mq_markup_raw(markup, "<text");
        mq_svg_attribute(markup, "x", x);
        mq_svg_attribute(markup, "y", frame->bottom + 18);
        mq_markup_raw(markup, " text-anchor=\"middle\">");
        mq_svg_tick_text(markup, &frame->x, mq_svg_tick(&frame->x, i));
        mq_markup_raw(markup, "</text>\n");
    }
    lower_name(markup, frame);
}

void
mq_svg_lower_names(struct mq_markup *markup, const struct mq_svg_frame *frame,
                   const char *const *names, int count, double first, double spacing)
{
    double widest = 0;
    for (int i = 0; i < count; i++)
        widest = MQ_MAX(widest, mq_svg_text_width(names[i]));
    widest = MQ_MIN(widest, 160) + 10;
    int every = MQ_MAX((int)ceil(widest / spacing), 1);
    for (int i = 0; i < count; i += every)
        mq_svg_text(markup, first + i * spacing, frame->bottom + 18, "middle", names[i], 160);
    lower_name(markup, frame);
}

void
mq_svg_mark_title(struct mq_markup *markup, const char *series, const char *where, double value,
                  double low, double high, int decimals)
{
    mq_markup_raw(markup, "<title>");
    mq_markup_text(markup, series);
    mq_markup_raw(markup, series != NULL ? ", " : "");
    mq_markup_text(markup, where);
    mq_markup_raw(markup, ": ");
    mq_markup_fixed(markup, value, decimals);
    if (isfinite(low) && isfinite(high)) {
        mq_markup_raw(markup, " (");
        mq_markup_fixed(markup, low, decimals);
        mq_markup_raw(markup, " to ");
        mq_markup_fixed(markup, high, decimals);
        mq_markup_raw(markup, ")");
    }
    mq_markup_raw(markup, "</title>");
}
