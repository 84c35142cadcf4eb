// User: another user of this machine, as whom a process of root acts for a while, or goes on for good.
#pragma once

#include "base/result.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace sallyport {

class User {
 public:
  /// "NAME" or "NAME:GROUP"; without a group it is the user's own. Errors (kind usage) say what is not there;
  /// root, who keeps all privileges, is one.
  static Result<User> find(std::string_view text);

  /// "www-data:www-data"
  std::string to_string() const { return name_ + ":" + group_; }
  const std::string& name() const { return name_; }

  /// Runs `work` with this user's rights in all threads, then takes root's again: for files that the user is
  /// to read or make. Only while nothing else runs that needs root's rights.
  Result<> act(const std::function<Result<>()>& work) const;
  /// From here on all threads are this user's, with its groups and without any capability.
  Result<> become() const;

 private:
  User() = default;

  std::string name_, group_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  std::vector<gid_t> groups_;  // all of them
};

/// No thread that the calling one starts from here on, and not itself, gets privileges by executing a file:
/// set-user-ID and file capabilities count for nothing.
void forbid_new_privileges();

}  // namespace sallyport
