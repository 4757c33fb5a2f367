#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "tidemark/config/settings.hpp"
#include "value.hpp"

namespace tidemark::config {

// What a setting can be: the member that holds it, and its range, both ends allowed.

struct TextType {
  std::string Settings::* member;
  bool may_be_empty = false;
};
/// A name that goes into SQL: letters, digits and underscores, or empty.
struct SqlNameType {
  std::string Settings::* member;
};
/// Never shown, and taken from the environment or the file alone: flags are seen by everybody on the machine.
struct SecretType {
  std::string Settings::* member;
};
struct DatabaseUrlType {
  std::string Settings::* member;
};
struct AddressType {
  Address Settings::* member;
};
struct DurationType {
  microseconds Settings::* member;
  microseconds min, max;
};
struct SizeType {
  std::uint64_t Settings::* member;
  std::uint64_t min, max;
  std::uint64_t multiple_of = 1;
};
struct CountType {
  int Settings::* member;
  int min, max;
};
struct LogLevelType {};
struct LogFormatType {};

using SettingType = std::variant<TextType, SqlNameType, SecretType, DatabaseUrlType, AddressType, DurationType,
                                 SizeType, CountType, LogLevelType, LogFormatType>;

/// One setting: the source of its parsing, checks, flag, variable and reference.
struct Setting {
  std::string_view group;  ///< Heading of the reference.
  std::string_view key;
  SettingType type;
  std::string_view fallback;  ///< The default, as it would be written.
  std::string_view about;     ///< For the reference and the help.
};

/// Every setting but the list `meters`, in the order of the reference.
std::span<const Setting> setting_table();

/// The setting of that key, or nullptr.
const Setting* find_setting(std::string_view key);

/// `a.b_c` -> `--a-b-c`
std::string flag_of(std::string_view key);
/// `a.b_c` -> `TIDEMARK_A_B_C`
std::string variable_of(std::string_view key);

/// Parses `text`, checks its range and stores it. The fault doesn't name the setting; it shows the text unless that may
/// hold a secret.
Parsed<void> assign(const Setting& setting, std::string_view text, Settings& settings);

/// The value as it would be written; passwords as ***.
std::string written(const Setting& setting, const Settings& settings);

/// What may be written, for the reference: `10ms to 10s`.
std::string range_of(const Setting& setting);

}  // namespace tidemark::config
