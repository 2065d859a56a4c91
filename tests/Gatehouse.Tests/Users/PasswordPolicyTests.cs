using System.IO.Compression;
using System.Text;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.Users;

public sealed class PasswordPolicyTests
{
    private const string TooCommon = "This password is too common.";
    private const string Numeric = "This password is entirely numeric.";

    private readonly PasswordPolicy policy = new(PasswordPolicy.Defaults);

    [Theory]
    [InlineData("correct horse battery staple"), InlineData("pä55-wörd-6"), InlineData("x7#kQz!p"), InlineData("密码密码密码-pass")]
    public void A_good_password_has_nothing_wrong_with_it(string password) =>
        Assert.Empty(policy.Check(password, "alice", "alice@example.com", "Alice", "Liddell"));

    [Fact]
    public void Everything_wrong_is_said_in_the_configured_order()
    {
        Assert.Equal(["This password is too short. It must contain at least 8 characters.", TooCommon, Numeric], policy.Check("12345", "alice", ""));
        Assert.Equal([Numeric, TooCommon], Only("NumericPasswordValidator", "CommonPasswordValidator").Check("12345", "alice", ""));
    }

    [Theory]
    [InlineData("alice-wonder", "The password is too similar to the username.")]
    [InlineData("ALICEWONDER1", "The password is too similar to the username.")]
    [InlineData("rednowecila", "The password is too similar to the username.")]
    [InlineData("wonderland", "The password is too similar to the username.")]
    [InlineData("Pleasance!", "The password is too similar to the first name.")]
    [InlineData("liddelliddel", "The password is too similar to the last name.")]
    [InlineData("rabbit-hole", "The password is too similar to the email address.")]
    [InlineData("oxford.test", "The password is too similar to the email address.")]
    [InlineData("rabbit.hole@oxford.test", "The password is too similar to the email address.")]
    public void A_password_like_its_owner_is_refused_by_the_first_attribute_it_resembles(string password, string message) =>
        Assert.Equal([message], Only("UserAttributeSimilarityValidator")
            .Check(password, "alice.wonder", "rabbit.hole@oxford.test", "Pleasance", "Liddell"));

    [Theory]
    [InlineData(0.7, "abcdefgxyz", true)]
    [InlineData(0.71, "abcdefgxyz", false)]
    public void Similar_is_the_share_of_common_characters(double maxSimilarity, string password, bool refused)
    {
        var policy = With("UserAttributeSimilarityValidator", ("max_similarity", FormattableString.Invariant($"{maxSimilarity}")));

        Assert.Equal(refused, policy.Check(password, "abcdefghij", "").Count == 1);
    }

    [Fact]
    public void A_part_far_shorter_than_the_password_is_not_compared() =>
        Assert.Empty(With("UserAttributeSimilarityValidator", ("max_similarity", "0.1")).Check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", ""));

    [Fact]
    public void Only_the_listed_attributes_are_compared()
    {
        var policy = With("UserAttributeSimilarityValidator", ("user_attributes", "email, last_name"));

        Assert.Empty(policy.Check("alice-wonder", "alice-wonder", ""));
        Assert.Equal(["The password is too similar to the last name."], policy.Check("alice-wonder", "", "", "", "alice-wonder"));
    }

    [Theory]
    [InlineData("1", "This password is too short. It must contain at least 1 character.")]
    [InlineData("12", "This password is too short. It must contain at least 12 characters.")]
    public void The_minimum_length_is_an_option(string length, string message) =>
        Assert.Equal([message], With("MinimumLengthValidator", ("min_length", length)).Check("", "", ""));

    [Fact]
    public void Length_counts_characters_as_Python_does()
    {
        var policy = Only("MinimumLengthValidator");

        Assert.Single(policy.Check("😀😀😀😀😀😀😀", "", ""));
        Assert.Empty(policy.Check("😀😀😀😀😀😀😀😀", "", ""));
    }

    [Theory]
    [InlineData("password", true), InlineData("PassWord", true), InlineData("  qwerty\t", true), InlineData("\u001cqwerty", true), InlineData("Friend of Emily", true)]
    [InlineData("", false), InlineData("passwor", false), InlineData("password\nqwerty", false), InlineData("zzzzzzzzzzzzzzzzz", false), InlineData("\0", false)]
    public void Common_passwords_are_refused_whatever_their_case_and_surrounding_space(string password, bool refused) =>
        Assert.Equal(refused, Only("CommonPasswordValidator").Check(password, "", "") is [TooCommon]);

    [Fact]
    public void Every_line_of_the_list_is_found_and_no_neighbour_of_one()
    {
        using var stream = typeof(PasswordPolicy).Assembly.GetManifestResourceStream("Gatehouse.Users.common-passwords.txt")!;
        using var reader = new StreamReader(stream);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var all = lines.ToHashSet();

        Assert.Equal(19_640, lines.Length);
        Assert.All(lines, line => Assert.True(PasswordCommonList.Shipped.Contains(line)));
        Assert.All(lines, line => Assert.Equal(all.Contains(line[1..]), PasswordCommonList.Shipped.Contains(line[1..])));
        Assert.All(lines, line => Assert.Equal(all.Contains(line + "0"), PasswordCommonList.Shipped.Contains(line + "0")));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void A_list_of_ones_own_takes_the_place_of_the_shipped_one(bool compressed)
    {
        var path = Path.GetTempFileName();
        try
        {
            using (Stream file = File.Create(path), target = compressed ? new GZipStream(file, CompressionMode.Compress) : file)
                target.Write(Encoding.UTF8.GetBytes("tulip\r\n crocus \ndäffodil"));
            var policy = With("CommonPasswordValidator", ("password_list_path", path));

            Assert.All((string[])["tulip", "CROCUS", "Däffodil"], password => Assert.Equal([TooCommon], policy.Check(password, "", "")));
            Assert.Empty(policy.Check("password", "", ""));
        }
        finally
        {
            File.Delete(path);
        }

        Assert.Throws<ArgumentException>(() => With("CommonPasswordValidator", ("password_list_path", path)));
    }

    [Theory]
    [InlineData("0123456789", true), InlineData("٠١٢٣٤٥٦٧٨٩", true), InlineData("1234567²", true), InlineData("𝟏𝟐𝟑", true)]
    [InlineData("", false), InlineData("12 34", false), InlineData("-1234", false), InlineData("1234Ⅷ", false), InlineData("½", false), InlineData("12\ud835", false)]
    public void A_number_in_any_script_is_refused(string password, bool refused) =>
        Assert.Equal(refused, Only("NumericPasswordValidator").Check(password, "", "") is [Numeric]);

    [Fact]
    public void A_password_too_long_to_be_verified_is_refused_and_not_compared() =>
        Assert.Equal(["Ensure this field has no more than 4096 characters."], new PasswordPolicy([]).Check(new string('x', 4097), "", ""));

    [Fact]
    public void Lone_surrogates_do_not_throw() => Assert.Empty(policy.Check("\ud800x\udc00y\ud800z\udfff-word", "\ud800", "\udc00@x"));

    [Fact]
    public void Class_paths_of_Django_are_understood()
    {
        var policy = Only("django.contrib.auth.password_validation.NumericPasswordValidator");

        Assert.Equal([Numeric], policy.Check("123", "", ""));
    }

    [Fact]
    public void What_is_not_known_is_refused_with_what_to_write()
    {
        Says("Write one of UserAttributeSimilarityValidator, MinimumLengthValidator,", () => Only("myproject.StrongValidator"));
        Says("has no option 'minimum'. Write one of min_length.", () => With("MinimumLengthValidator", ("minimum", "8")));
        Says("It takes none: leave OPTIONS out.", () => With("NumericPasswordValidator", ("min_length", "8")));
        Says("Write a number of at least 0.1.", () => With("UserAttributeSimilarityValidator", ("max_similarity", "0")));
        Says("Write a number of at least 0.", () => With("MinimumLengthValidator", ("min_length", "eight")));
        Says("names 'nickname'. Write some of username, first_name,", () => With("UserAttributeSimilarityValidator", ("user_attributes", "nickname")));

        static void Says(string text, Func<PasswordPolicy> make) =>
            Assert.Contains(text, Assert.Throws<ArgumentException>(make).Message, StringComparison.Ordinal);
    }

    private static PasswordPolicy Only(params string[] names) => new([.. names.Select(name => new PasswordValidator(name))]);

    private static PasswordPolicy With(string name, params (string Name, string Value)[] options) =>
        new([new(name, options.ToDictionary(option => option.Name, option => option.Value))]);
}
