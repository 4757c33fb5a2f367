#include <string>

#include "meter_settings.hpp"
#include "setting_table.hpp"
#include "tidemark/config/load.hpp"

namespace tidemark::config {
namespace {

constexpr std::string_view kOpening = R"(# Configuration

<!-- Written from src/config/setting_table.cpp; a test compares. To write it anew: TIDEMARK_WRITE_REFERENCE=1 config_test -->

Every setting has a default, and nothing needs to be set to start. A flag stands over an environment variable, that over
the file, that over the default. The file is `./tidemark.yaml`, or what `--config` names. Lists stand only in the file.

A key or flag that isn't known is an error; a variable that begins with `TIDEMARK_` and isn't known is a warning. An empty
variable counts as not set. All problems are told at once, by `tidemark config check` too.

Durations are whole numbers with a unit of `us`, `ms`, `s`, `m`, `h`, `d` or `w`: `90s`, `1h30m`, `32d`. Sizes are whole
bytes, or whole numbers with a unit of `B`, `KiB`, `MiB`, `GiB` or `TiB`: `8 MiB`. Relative paths are from the working
directory. Passwords are never shown, and have no flag, since everybody on a machine can see those.
)";

constexpr std::string_view kWindows = R"(
The server refuses to start unless `identity_window` is at least `max_event_age` + `max_future_skew`: a shorter one would
forget an event while its repeat may still come.
)";

constexpr std::string_view kExample = R"(
```yaml
listen: 0.0.0.0:8080
max_body_bytes: 16 MiB
meters:
  - slug: tokens
    eventType: prompt
    aggregation: SUM
    valueProperty: $.tokens
    groupBy:
      model: $.model
    windows: [TOTAL, DAY]
```
)";

std::string code(std::string_view text) {
  return text.empty() ? "empty" : "`" + std::string(text) + "`";
}

void append_row(std::string& out, std::initializer_list<std::string> cells) {
  for (const std::string& cell : cells) out.append("| ").append(cell).append(" ");
  out.append("|\n");
}

void append_settings(std::string& out) {
  std::string_view group;
  for (const Setting& setting : setting_table()) {
    if (setting.group != group) {
      group = setting.group;
      out.append("\n## ").append(group).append("\n\n");
      append_row(out, {"setting", "default", "allowed", "what it does"});
      append_row(out, {"---", "---", "---", "---"});
    }
    const bool has_flag = !std::holds_alternative<SecretType>(setting.type);
    const std::string flag = has_flag ? "<br>" + code(flag_of(setting.key)) : "";
    append_row(out, {code(setting.key) + flag + "<br>" + code(variable_of(setting.key)), code(setting.fallback),
                     range_of(setting), std::string(setting.about)});
  }
}

void append_meters(std::string& out) {
  out.append("\n## Meters\n\nThe list `meters`, in the file only. Each has:\n\n");
  append_row(out, {"key", "form", "what it is"});
  append_row(out, {"---", "---", "---"});
  for (const MeterKey& key : meter_keys())
    append_row(out, {code(key.key), std::string(key.form), std::string(key.about)});
}

}  // namespace

std::string reference() {
  std::string out(kOpening);
  append_settings(out);
  out.append(kWindows);
  append_meters(out);
  out.append(kExample);
  return out;
}

}  // namespace tidemark::config
