// The files that a gateway's flags name, as they change: what becomes of its Configuration.
#include "gateway/configuration_source.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "net/run_until_for_test.h"
#include "tls/certificate.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::HasSubstr;

class ConfigurationSourceTest : public testing::Test {
 protected:
  ConfigurationSourceTest() {
    std::filesystem::create_directory(folder_ / "one");
    std::filesystem::create_directory(folder_ / "other");
    std::filesystem::create_directory_symlink(folder_ / "one", folder_ / "site");
    write_pair();
    write("tokens", "alice token-of-alice-01\n");
    flags_.listen = {net::SocketAddress::parse("127.0.0.1:0").value()};
    flags_.certificates = {{.certificate = folder_ / "chain.pem", .key = folder_ / "key.pem"}};
    flags_.files = folder_ / "site";
    flags_.masque = {masque::Protocol::udp};
    flags_.token_file = folder_ / "tokens";
  }
  void write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file(folder_ / name, content, 0600, IfExists::replace));
  }
  void write_pair() {
    const auto pair = tls::make_self_signed({"a.test"}).value();
    write("key.pem", pair.key_pem);
    write("chain.pem", pair.certificate_pem);
  }
  Result<> open() {
    auto opened = ConfigurationSource::open(
        flags_, [this](const std::shared_ptr<const config::Configuration>& next) { seen_.push_back(next); });
    if (!opened) return std::unexpected(opened.error());
    source_ = std::move(*opened);
    return {};
  }
  void wait_for(std::size_t changes) {
    net::run_until(loop_, [&] { return seen_.size() >= changes; }, 60s);
    ASSERT_EQ(seen_.size(), changes);
    EXPECT_EQ(seen_.back(), source_->current());
  }
  std::string metrics() const {
    admin::MetricSet figures;
    source_->collect(figures);
    return figures.to_text();
  }

  const FolderForTest folder_;
  net::EventLoop loop_;
  config::ServingFlags flags_;
  std::vector<std::shared_ptr<const config::Configuration>> seen_;
  std::unique_ptr<ConfigurationSource> source_;
};

TEST_F(ConfigurationSourceTest, NamesWhatCannotBeUsed) {
  ASSERT_TRUE(open());
  EXPECT_TRUE(config::validate(*source_->current()));
  write("key.pem", "no key");
  EXPECT_THAT(open().error().message, HasSubstr("--cert and --key: "));
  write_pair();
  flags_.token_file = folder_ / "nowhere";
  EXPECT_THAT(open().error().message, HasSubstr("--token-file"));
  flags_.token_file.clear();
  flags_.listen = {net::SocketAddress::parse("0.0.0.0:0").value()};
  EXPECT_THAT(open().error().message, HasSubstr("open proxy"));
  flags_.masque = {};
  flags_.files.clear();
  EXPECT_THAT(open().error().message, HasSubstr("nothing to do"));
}

TEST_F(ConfigurationSourceTest, KnowsTheAddressesOnceTheyAreChosen) {
  ASSERT_TRUE(open());
  const auto chosen = net::SocketAddress::parse("127.0.0.1:8443").value();
  source_->set_addresses({chosen});
  source_->set_admin(net::SocketAddress::parse("127.0.0.1:9090").value());
  const auto& now = *source_->current();
  EXPECT_EQ(now.listeners.at(0).address, chosen);
  EXPECT_EQ(now.masque->never->to_string(), "127.0.0.1:9090");
  EXPECT_TRUE(seen_.empty());
}

TEST_F(ConfigurationSourceTest, ChangedFilesMakeAnotherConfiguration) {
  ASSERT_TRUE(open());
  source_->watch(loop_);
  const auto first = source_->current();
  write_pair();
  wait_for(1);
  EXPECT_FALSE(first->listeners[0].credentials->same_as(*seen_[0]->listeners[0].credentials));
  write("tokens", "alice token-of-alice-01\nbob token-of-bob-0001\n");
  wait_for(2);
  EXPECT_EQ(seen_[1]->masque->tokens->size(), 2u);
  std::filesystem::remove(folder_ / "site");
  std::filesystem::create_directory_symlink(folder_ / "other", folder_ / "site");
  wait_for(3);
  EXPECT_NE(seen_[2]->files->opened, seen_[1]->files->opened);
  EXPECT_THAT(metrics(), HasSubstr("files_folder_changes_total{result=\"used\"} 1"));
  EXPECT_THAT(metrics(), HasSubstr("token_file_reads_total{file=\"token-file\",result=\"used\"} 1"));
}

TEST_F(ConfigurationSourceTest, WhatCannotBeReadStaysAsItWas) {
  ASSERT_TRUE(open());
  const auto first = source_->current();
  write("chain.pem", "no certificate");
  write("tokens", "alice");
  source_->reload("SIGHUP: ", loop_.timers().now());
  EXPECT_EQ(source_->current(), first);
  EXPECT_TRUE(seen_.empty());
  EXPECT_THAT(metrics(), HasSubstr("token_file_reads_total{file=\"token-file\",result=\"failed\"} 1"));
  write_pair();
  source_->reload("SIGHUP: ", loop_.timers().now());
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_F(ConfigurationSourceTest, NamesTheCertificatesThatChanged) {
  const auto other = tls::make_self_signed({"b.test"}).value();
  write("b.key", other.key_pem);
  write("b.pem", other.certificate_pem);
  flags_.certificates.push_back({.certificate = folder_ / "b.pem", .key = folder_ / "b.key"});
  ASSERT_TRUE(open());
  const auto said = [&] {
    testing::internal::CaptureStderr();
    source_->reload("SIGHUP: ", loop_.timers().now());
    return testing::internal::GetCapturedStderr();
  };
  write_pair();
  EXPECT_THAT(said(), testing::AllOf(HasSubstr("SIGHUP: " + folder_.path() + "/chain.pem was reloaded"),
                                     testing::Not(HasSubstr("b.pem"))));
  EXPECT_THAT(said(),
              testing::AllOf(HasSubstr("SIGHUP: the certificate files were read again; none of them changed"),
                             testing::Not(HasSubstr(".pem"))));
}

TEST_F(ConfigurationSourceTest, ASelfSignedCertificateIsKept) {
  flags_.certificates.clear();
  flags_.self_signed = {"a.test"};
  ASSERT_TRUE(open());
  source_->reload("SIGHUP: ", loop_.timers().now());
  EXPECT_TRUE(seen_.empty());
}

}  // namespace
}  // namespace sallyport::gateway
