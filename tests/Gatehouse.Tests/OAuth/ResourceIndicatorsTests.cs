using Gatehouse.OAuth;
using Xunit;

namespace Gatehouse.Tests.OAuth;

public sealed class ResourceIndicatorsTests
{
    [Theory]
    [InlineData("https://api.example.com", true)]
    [InlineData("https://api.example.com/v1?tenant=1", true)]
    [InlineData("http://localhost:8000/mcp", true)]
    [InlineData("myapp://host/x", true)]
    [InlineData("https://api.example.com/#", false)]
    [InlineData("https://api.example.com/#x", false)]
    [InlineData("https://user@api.example.com/", false)]
    [InlineData("https://@api.example.com/", false)]
    [InlineData("https://api.example.com:99999/", false)]
    [InlineData("https://api.example.com:x/", false)]
    [InlineData("https://[::1/", false)]
    [InlineData("https:///x", false)]
    [InlineData("/v1", false)]
    [InlineData("api.example.com", false)]
    [InlineData("urn:example:api", false)]
    [InlineData("https://api.example.com\\x", false)]
    [InlineData("", false)]
    public void A_resource_is_an_absolute_uri_with_a_host(string uri, bool valid) => Assert.Equal(valid, ResourceIndicators.IsValid(uri));

    [Theory]
    [InlineData("https://api.example.com/foo", true)]
    [InlineData("https://api.example.com/foo/", true)]
    [InlineData("https://api.example.com/foo/bar", true)]
    [InlineData("https://API.example.com:443/foo/bar", true)]
    [InlineData("https://api.example.com/x/../foo/bar", true)]
    [InlineData("https://api.example.com//foo/bar", false)]
    [InlineData("https://api.example.com/foo//bar", true)]
    [InlineData("https://api.example.com/food-blog", false)]
    [InlineData("https://api.example.com/bar", false)]
    [InlineData("https://api.example.com/FOO", false)]
    [InlineData("https://api.example.com/foo/../bar", false)]
    [InlineData("https://api.example.com/foo/%2e%2e/bar", false)]
    [InlineData("https://api.example.com/foo/.%2E/bar", false)]
    [InlineData("https://api.example.com:8443/foo", false)]
    [InlineData("http://api.example.com/foo", false)]
    [InlineData("https://other.example.com/foo/bar", false)]
    [InlineData("https://api.example.com@evil.com/foo", false)]
    [InlineData("https://evil.com/https://api.example.com/foo", false)]
    [InlineData("not a uri", false)]
    public void A_token_is_good_at_and_below_its_resource(string request, bool covered)
    {
        Assert.Equal(covered, ResourceIndicators.CoverByPrefix(request, ["urn:other", "https://api.example.com/foo"]));
        Assert.Equal(covered, ResourceIndicators.CoverByPrefix(request, ["https://api.example.com:443/foo/?x=1"]));
        Assert.True(ResourceIndicators.CoverByPrefix(request, []));
        Assert.False(ResourceIndicators.CoverByPrefix(request, ["urn:other"]));
    }

    [Theory]
    [InlineData("https://api.example.com")]
    [InlineData("https://api.example.com/")]
    [InlineData("https://api.example.com//")]
    [InlineData("https://api.example.com/x/..")]
    public void A_whole_host_covers_all_of_it(string audience)
    {
        Assert.True(ResourceIndicators.CoverByPrefix("https://api.example.com/anything", [audience]));
        Assert.True(ResourceIndicators.CoverByPrefix("https://api.example.com//anything", [audience]));
        Assert.True(ResourceIndicators.CoverByPrefix("https://api.example.com", [audience]));
    }
}
