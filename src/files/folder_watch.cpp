#include "files/folder_watch.h"

#include "base/log.h"

#include <filesystem>
#include <optional>
#include <utility>

namespace sallyport::files {
namespace {

constexpr Duration interval = 1s;

std::string make_absolute(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

}  // namespace

/// The result of the check on the reading thread, where even fstat() may block.
struct FolderWatch::Look {
  std::optional<Result<std::shared_ptr<const ServedFolder>>> found;
  bool same = false;
  bool asked = false;
};

FolderWatch::FolderWatch(std::unique_ptr<net::FileReader> reader, net::Timers& timers,
                         const std::string& path, std::shared_ptr<const ServedFolder> folder,
                         std::function<void(const std::shared_ptr<const ServedFolder>&)> opened)
    : reader_(std::move(reader)),
      timers_(timers),
      path_(make_absolute(path)),
      folder_(std::move(folder)),
      opened_(std::move(opened)),
      next_(timers, [this](Time) { look(); }) {
  next_.arm(timers_.now() + interval);
}

void FolderWatch::open_again() {
  asked_ = true;
  if (!looking_) look();
}

void FolderWatch::look() {
  next_.disarm();
  auto look = std::make_shared<Look>();
  look->asked = std::exchange(asked_, false);
  looking_ = reader_->run(
      [look, path = path_, folder = folder_] {
        look->found = ServedFolder::open(path);
        look->same = *look->found && (**look->found)->is_same(*folder);
      },
      [this, look] { on_looked(*look); });
}

void FolderWatch::on_looked(Look& look) {
  looking_.reset();
  next_.arm(timers_.now() + interval);
  const auto& found = *look.found;
  if (!found) {
    // Logged once, although it is checked every second.
    if (!failing_ || look.asked) {
      ++counters_.failed;
      log_error("{}; the old folder stays in use", found.error().message);
    }
    failing_ = true;
  } else if (!look.same || look.asked) {
    folder_ = *found;
    if (!look.same) {
      ++counters_.used;
      log_info("--files {} is another folder now: reopened", path_);
    }
    opened_(folder_);
  } else if (failing_) {
    log_info("--files {} is the folder in use again", path_);
  }
  if (found) failing_ = false;
  if (asked_) this->look();
}

}  // namespace sallyport::files
