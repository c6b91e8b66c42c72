// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/web_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// A web configuration with TLS, in a directory that goes with the test.
class WebFilesTest : public testing::Test {
 protected:
  WebFilesTest() {
    std::string name = testing::TempDir() + "kvmx-web-files-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    for (const char* file : {"server.crt", "server.key", "ca.crt"}) write(file, file);
    write(
        "web.yml",
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, "
        "client_auth_type: RequireAndVerifyClientCert}\n");
  }
  ~WebFilesTest() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }

  [[nodiscard]] std::string config() const { return directory_ / "web.yml"; }

  fs::path directory_;
};

TEST_F(WebFilesTest, HaveTheTextsOfCertificatesAndKeys) {
  const WebFiles files = read_web_files(config());
  ASSERT_TRUE(files.config) << files.config.error().message;
  EXPECT_EQ(files.config->tls->certificate.text, "server.crt");
  EXPECT_EQ(files.config->tls->key.text, "server.key");
  EXPECT_EQ(files.config->tls->client_ca.text, "ca.crt");
  EXPECT_EQ(files.stamps.size(), 4U);
}

TEST_F(WebFilesTest, WhatIsNoFileOrTooLargeIsRefusedAtOnce) {
  const std::function<void(const fs::path&)> becomes[] = {
      [](const fs::path& file) { ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0); },
      [](const fs::path& file) { fs::create_directory(file); },
      [](const fs::path& file) { fs::create_symlink("/dev/zero", file); },
      [](const fs::path& file) {
        std::ofstream(file) << "x";
        fs::resize_file(file, 8ULL << 30U);
      }};
  for (const char* name : {"server.crt", "server.key", "ca.crt"})
    for (const auto& become : becomes) {
      fs::remove(directory_ / name);
      become(directory_ / name);
      const WebFiles files = read_web_files(config());
      ASSERT_FALSE(files.config) << name;
      EXPECT_NE(files.config.error().message.find(name), std::string::npos)
          << files.config.error().message;
      fs::remove(directory_ / name);
      write(name, name);
    }
}

TEST_F(WebFilesTest, AreReadAgainWhenOneOfThemHasChanged) {
  WebFilesReader reader(config());
  const WebFiles first = read_web_files(config());
  EXPECT_FALSE(reader.read_if_changed(first.stamps, false));
  EXPECT_TRUE(reader.read_if_changed(first.stamps, true));
  write("server.key", "another");
  const std::optional<WebFiles> second = reader.read_if_changed(first.stamps, false);
  ASSERT_TRUE(second && second->config);
  EXPECT_EQ(second->config->tls->key.text, "another");
  EXPECT_FALSE(reader.read_if_changed(second->stamps, false));
  fs::remove(config());
  const std::optional<WebFiles> gone = reader.read_if_changed(second->stamps, false);
  ASSERT_TRUE(gone);
  EXPECT_FALSE(gone->config);
}

}  // namespace
}  // namespace kvmx
