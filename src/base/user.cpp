#include "base/user.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace sallyport {
namespace {

// Of a line of /etc/passwd or /etc/group; the latter names all members.
constexpr std::size_t largest_entry = 1 << 20;

/// `look_up` is getpwnam_r or one like it. Nullopt: there is no entry. `strings` keeps what the entry points
/// to.
template <class Entry>
Result<std::optional<Entry>> find_entry(std::vector<char>& strings, const auto& look_up) {
  for (std::size_t size = 4096; size <= largest_entry; size *= 4) {
    strings.resize(size);
    Entry entry{};
    Entry* found = nullptr;
    const int error = look_up(&entry, strings.data(), strings.size(), &found);
    if (found != nullptr) return entry;
    // Some say in these words that there is none (getpwnam(3)).
    if (error == 0 || error == ENOENT || error == ESRCH) return std::nullopt;
    if (error != ERANGE && error != EINTR)
      return fail(ErrorKind::file,
                  "the users of this machine cannot be read: " + std::generic_category().message(error));
  }
  return fail(ErrorKind::file, "the users of this machine cannot be read: an entry is too long");
}

std::vector<gid_t> groups_of(const std::string& name, gid_t group) {
  std::vector<gid_t> groups(64);
  for (;;) {
    int count = static_cast<int>(groups.size());
    const bool all = ::getgrouplist(name.c_str(), group, groups.data(), &count) >= 0;
    groups.resize(static_cast<std::size_t>(count));
    if (all) return groups;
  }
}

Error not_possible(const std::string& name, int error) {
  return {ErrorKind::denied,
          fmt::format("cannot become the user {}: {}", name, std::generic_category().message(error)),
          static_cast<std::uint64_t>(error)};
}

}  // namespace

Result<User> User::find(std::string_view text) {
  const std::size_t colon = text.find(':');
  User user;
  user.name_ = text.substr(0, colon);
  if (user.name_.empty() || colon + 1 == text.size())
    return fail(ErrorKind::usage, fmt::format("'{}' names no user; write it as NAME or NAME:GROUP", text));
  std::vector<char> strings;
  const auto person =
      find_entry<passwd>(strings, [&](auto... rest) { return ::getpwnam_r(user.name_.c_str(), rest...); });
  if (!person) return std::unexpected(person.error());
  if (!*person) return fail(ErrorKind::usage, fmt::format("there is no user '{}'", user.name_));
  user.uid_ = (*person)->pw_uid;
  user.gid_ = (*person)->pw_gid;
  if (user.uid_ == 0)
    return fail(ErrorKind::usage,
                fmt::format("'{}' is root and would keep its privileges; name another user", user.name_));
  if (colon != std::string_view::npos) {
    user.group_ = text.substr(colon + 1);
    const auto found = find_entry<::group>(
        strings, [&](auto... rest) { return ::getgrnam_r(user.group_.c_str(), rest...); });
    if (!found) return std::unexpected(found.error());
    if (!*found) return fail(ErrorKind::usage, fmt::format("there is no group '{}'", user.group_));
    user.gid_ = (*found)->gr_gid;
  } else {
    const auto found =
        find_entry<::group>(strings, [&](auto... rest) { return ::getgrgid_r(user.gid_, rest...); });
    if (!found) return std::unexpected(found.error());
    user.group_ = *found ? (*found)->gr_name : std::to_string(user.gid_);
  }
  user.groups_ = groups_of(user.name_, user.gid_);
  return user;
}

Result<> User::act(const std::function<Result<>()>& work) const {
  const gid_t own_group = ::getegid();
  std::vector<gid_t> own_groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  if (::getgroups(static_cast<int>(own_groups.size()), own_groups.data()) < 0 ||
      ::setgroups(groups_.size(), groups_.data()) != 0)
    return std::unexpected(not_possible(name_, errno));
  // The real IDs, too: access(2) goes by them. The saved ones lead back.
  const bool taken = ::setresgid(gid_, gid_, own_group) == 0 && ::setresuid(uid_, uid_, 0) == 0;
  Result<> done;
  if (taken)
    done = work();
  else
    done = std::unexpected(not_possible(name_, errno));
  // Nothing that follows may go on as somebody else.
  if (::setresuid(0, 0, 0) != 0 || ::setresgid(own_group, own_group, own_group) != 0 ||
      ::setgroups(own_groups.size(), own_groups.data()) != 0)
    std::abort();
  return done;
}

Result<> User::become() const {
  if (::setgroups(groups_.size(), groups_.data()) != 0 || ::setresgid(gid_, gid_, gid_) != 0 ||
      ::setresuid(uid_, uid_, uid_) != 0)
    return std::unexpected(not_possible(name_, errno));
  // Capabilities are gone with root's ID, unless this process was started with securebits that keep them.
  if (::setuid(0) == 0)
    return fail(ErrorKind::denied,
                fmt::format("the privileges of root cannot be given up to become the user {}: this process "
                            "was started with securebits that keep them",
                            name_));
  return {};
}

void forbid_new_privileges() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

}  // namespace sallyport
