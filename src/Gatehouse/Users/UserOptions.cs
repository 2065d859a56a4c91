namespace Gatehouse.Users;

/// <summary>One entry of <c>AUTH_PASSWORD_VALIDATORS</c>.</summary>
public sealed class PasswordValidatorOptions
{
    /// <summary>Django's class path, or its last name.</summary>
    public string Name { get; set; } = "";

    /// <summary>As Django names them, <c>min_length</c> for example.</summary>
    public IDictionary<string, string> Options { get; set; } = new Dictionary<string, string>();
}

/// <summary>The bulkhead around password hashing, which costs a core 100 ms a time.</summary>
public sealed class PasswordWorkOptions
{
    /// <summary>Hashes at once. Default 0: as many as there are cores.</summary>
    public int MaxConcurrent { get; set; }

    /// <summary>How many may wait before the next is answered with 503. Default 0: 16 for each of <see cref="MaxConcurrent"/>.</summary>
    public int MaxWaiting { get; set; }
}
