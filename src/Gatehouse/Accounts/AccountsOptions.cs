namespace Gatehouse.Accounts;

/// <summary>The accounts API.</summary>
public sealed class AccountsOptions
{
    /// <summary>Default <c>/api/accounts</c>.</summary>
    public string Path { get; set; } = "/api/accounts";

    /// <summary>Whether anyone may register. Default true.</summary>
    public bool RegistrationOpen { get; set; } = true;

    /// <summary>
    /// Refuse a browser's login or registration that comes from another site, by its <c>Origin</c> header. Null, the default: true, but
    /// false under the profile Django.
    /// </summary>
    public bool? RefuseCrossSiteLogin { get; set; }

    /// <summary>
    /// After how many failed logins of one account the next has to wait. Null, the default: 10; under the profile Django 0, which is never.
    /// </summary>
    public int? LoginFailureLimit { get; set; }

    /// <summary>The same for all accounts from one network: an address, or a /64 of IPv6. Default 100.</summary>
    public int LoginNetworkFailureLimit { get; set; } = 100;

    /// <summary>How long the first wait is; each further failure doubles it. Default 30 seconds.</summary>
    public TimeSpan LoginLockTime { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest wait. Default 15 minutes.</summary>
    public TimeSpan LoginLockTimeMax { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// In which time the failures of an account leak away, one by one; those of a network in a twenty-fourth of it. Default one day.
    /// </summary>
    public TimeSpan LoginFailureMemory { get; set; } = TimeSpan.FromDays(1);

    /// <summary>
    /// Mark browsers that a user has logged in from with a cookie, so that others' failures do not lock them out. Null, the default: true, but
    /// false under the profile Django.
    /// </summary>
    public bool? KnownDevices { get; set; }

    /// <summary>Staff must have a second factor: who has none sets one up at the next login. Default false.</summary>
    public bool SecondFactorForStaff { get; set; }

    /// <summary>
    /// Where people find this server, <c>https://auth.example.com</c>: what links in mail begin with, whatever <c>Host</c> a request names.
    /// Empty, the default: no mail is sent, and there is no resetting of passwords.
    /// </summary>
    public string BaseUrl { get; set; } = "";

    /// <summary>How long a link to reset a password is good (<c>PASSWORD_RESET_TIMEOUT</c>). Default three days.</summary>
    public TimeSpan PasswordResetTimeout { get; set; } = TimeSpan.FromDays(3);

    /// <summary>How many resets one network may ask for. Default <c>10/hour</c>; empty: any number.</summary>
    public string PasswordResetThrottleRate { get; set; } = "10/hour";

    /// <summary>How many mails of one kind a user gets, and how many links to verify it an address gets, whoever asks for them. Default <c>5/hour</c>; empty: any number.</summary>
    public string MailThrottleRate { get; set; } = "5/hour";
}
