namespace Gatehouse.Audit;

/// <summary>The audit log: who did what from where.</summary>
public sealed class AuditOptions
{
    /// <summary>Whether it is kept. Default true.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Whether it also has each token that is issued or refreshed: by far the most rows. What ends tokens is always in it. Default true.</summary>
    public bool Tokens { get; set; } = true;

    /// <summary>After how many days the sweeper deletes a row; 0: never. Up to 36,500; default 90.</summary>
    public int RetentionDays { get; set; } = 90;
}
