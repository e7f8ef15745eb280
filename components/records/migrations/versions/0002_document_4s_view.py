"""Document 4's ml_ab_tests, as a view over model_experiments."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the view."""
    op.execute(
        """
        CREATE VIEW ml_ab_tests AS
        SELECT id, experiment_name AS test_name, control_model_id, treatment_model_id AS variant_model_id,
               traffic_split, start_date, end_date, status, results, created_at
        FROM model_experiments
        """
    )


def downgrade() -> None:
    """Drop the view."""
    op.execute("DROP VIEW ml_ab_tests")
