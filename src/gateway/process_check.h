// Checks the settings of the process, for `sallyport gateway --check`: what a start does with the files that
// they name, without opening a port and without leaving a file behind.
#pragma once

#include "base/result.h"
#include "gateway/run_as.h"
#include "gateway/settings.h"

#include <optional>
#include <string>

namespace sallyport::gateway {

/// The settings for people, one on each line, without secrets; or the error that the start would end with.
/// `settings`: with an accepted Configuration. Warns like the start of files that others can read.
/// `user`: by find_user().
Result<std::string> check_process(const Settings& settings, const std::optional<User>& user);

}  // namespace sallyport::gateway
