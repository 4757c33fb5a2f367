#pragma once

#include <memory>

#include "tidemark/base/file_system.hpp"
#include "tidemark/config/settings.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::app {

/// Makes the database that the settings name, by the URL's scheme. Touches neither disk nor network. Error
/// kInvalidArgument names the schemes that are known.
Result<std::unique_ptr<sql::Database>> open_database(const config::Settings& settings, FileSystem& files);

}  // namespace tidemark::app
